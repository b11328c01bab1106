"""What is known of the network of `harmed`: made once, and changed by no test. A file with fixtures of these names has its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import QuantPlan
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.observe import Observations, observe
from evit_mobile.quantization.plan import candidates, plan_from
from evit_mobile.quantization.sensitivity import Harm, measure_harms
from tests.evit_mobile.quantization.harmed import Network


@pytest.fixture(scope="session")
def images() -> list[Tensor]:
    return list(torch.randn(64, 3, 12, 12, generator=torch.Generator().manual_seed(2)).split(1))


@pytest.fixture(scope="session")
def program() -> ExportedProgram:
    torch.manual_seed(3)
    return export(Network().eval(), (12, 12))


@pytest.fixture(scope="session")
def observations(program: ExportedProgram, images: list[Tensor]) -> Observations:
    return observe(program, candidates(program), lambda start: iter(images[start:]))


@pytest.fixture(scope="session")
def plan(program: ExportedProgram, observations: Observations) -> QuantPlan:
    return plan_from(program, observations)


@pytest.fixture(scope="session")
def harms(program: ExportedProgram, plan: QuantPlan, images: list[Tensor]) -> dict[str, Harm]:
    return measure_harms(program, plan, images)
