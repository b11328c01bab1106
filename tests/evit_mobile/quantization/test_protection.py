"""The path of protections: each step leaves more float, for less noise and more time."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise

import pytest
from torch import nn
from torch.export import ExportedProgram

from converters.capabilities import XNNPACK
from evit_mobile.findings import Protection
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.protection import protection_path, protections
from evit_mobile.quantization.sensitivity import Harm


def test_protection_gets_better_and_dearer(program: ExportedProgram, harms: dict[str, Harm]) -> None:
    path = list(protection_path(program, harms))
    decibels = [step.predicted_sqnr_db for step in path]
    assert decibels == sorted(decibels)
    assert decibels[-1] > decibels[0] + 20
    assert all(step.added in step.protected for step in path[1:])
    assert path[-1].latency_ms > 2 * path[0].latency_ms  # float multiply-accumulates cost almost four times as much


def two_layers() -> ExportedProgram:
    """A convolution "body.0" and, after a ReLU, "body.2", which costs far more."""
    body = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3))
    return export(nn.Sequential(OrderedDict(body=body)).eval(), (20, 20))


def harm(module: str, noise: float) -> dict[str, Harm]:
    tensor = f"{module}.weight"
    return {tensor: Harm(tensor=tensor, module=module, output=noise, local=noise)}


NOISE = harm("body.0", 1e-2) | harm("body.2", 1e-6)


def test_what_harms_most_is_protected_first_and_what_is_protected_harms_no_more() -> None:
    path = list(protection_path(two_layers(), NOISE))
    assert [step.added for step in path[:2]] == [None, "body.0"]
    assert path[0].predicted_sqnr_db == pytest.approx(-10 * math.log10(1e-2 + 1e-6))
    assert path[1].predicted_sqnr_db == pytest.approx(60)
    assert path[-1].predicted_sqnr_db == pytest.approx(200)
    assert all(step.protected >= before.protected for before, step in pairwise(path))


def test_a_path_begins_where_it_is_told_to() -> None:
    path = list(protection_path(two_layers(), NOISE, frozenset({"body.0"})))
    assert path[0].protected == {"body.0"}
    assert "body.0" not in [step.added for step in path]


def test_what_harms_nothing_is_not_protected() -> None:
    assert len(list(protection_path(two_layers(), {}))) == 1
    assert len(list(protection_path(two_layers(), harm("body.0", 0.0)))) == 1


def test_a_module_takes_the_place_of_its_parts() -> None:
    found = [protection for protection, _ in protections(two_layers(), NOISE, Protection(modules=("body.0",)))]
    assert [one.modules for one in found] == [("body.0",), ("body",)]


def test_the_ratio_is_to_the_plan_that_protects_nothing() -> None:
    ratios = [one.latency_ratio for one, _ in protections(two_layers(), NOISE, Protection())]
    assert ratios[0] == 1
    assert ratios[-1] == pytest.approx(XNNPACK.macs_per_ms[8] / XNNPACK.macs_per_ms[32])
