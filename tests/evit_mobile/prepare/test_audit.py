"""The audit finds what fp16 cannot hold, before conversion; what a rewrite does not cure becomes a float32 island that does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.contract import FloatType, Metadata, Precision
from converters.interface import Choices
from converters.registry import find_target
from converters.traits import Choosable
from evit_mobile.findings import Verdict
from evit_mobile.images.data import calibration_images, held_out_images, preprocess_for
from evit_mobile.models.mit import LiteMLA
from evit_mobile.prepare.audit import FP16_MAX, IMAGES, MARGIN, audit, describe, magnitude, overflowing
from evit_mobile.prepare.forms import export
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.prepare.preparation import prepare
from evit_mobile.reference import Reference, load_reference
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm
from evit_mobile.validation.verdict import Terms, judge

X = torch.linspace(-2, 2, 48).reshape(1, 3, 4, 4)
METADATA = Metadata(description="a test")


class Product(nn.Module):
    """With a gain of 300 the middle does not fit fp16, and the result does."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain
        self.middle = nn.Conv2d(3, 3, 1)
        nn.init.constant_(self.middle.weight, gain)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.middle(x * self.gain)).flatten(1) / 1000.0


def module(gain: float) -> nn.Module:
    torch.manual_seed(0)
    return Product(gain).eval()


def test_what_fits_is_left_alone() -> None:
    program = export(module(10.0), (4, 4))
    found = audit(module(10.0), program, [X])
    assert (found.overflowing, found.islands) == ((), ())
    assert "fp16 holds them" in describe(found)


def test_overflow_is_found_with_its_module() -> None:
    found = audit(module(300.0), export(module(300.0), (4, 4)), [X * 0.01, X])
    worst, after = found.overflowing
    assert (worst.module, after.module) == ("middle", "")
    assert worst.peak == found.largest.peak > FP16_MAX
    assert worst.peak == pytest.approx(300 * float((300 * X).sum(1).abs().max()), rel=1e-3)
    assert [island.module for island in found.islands] == ["middle", "", ""]
    assert "fp16 cannot hold" in describe(found)


def test_the_margin_counts() -> None:
    gain = float(np.sqrt(0.75 * FP16_MAX / float(X.sum(1).abs().max())))
    found = audit(module(gain), export(module(gain), (4, 4)), [X])
    assert FP16_MAX / MARGIN < found.largest.peak < FP16_MAX
    assert found.overflowing


def test_one_image_is_enough_to_overflow() -> None:
    assert overflowing(module(300.0), [X * 0.01, X])
    assert not overflowing(module(300.0), [X * 0.01])


def test_what_overflows_at_once_is_not_run_on() -> None:
    seen = []
    form = module(300.0)
    form.register_forward_hook(lambda _module, inputs, _output: seen.append(len(inputs[0])))
    assert overflowing(form, [X] * (2 * IMAGES + 1))
    assert seen == [IMAGES]
    assert not overflowing(form, [X * 0.01] * (2 * IMAGES + 1))
    assert seen[1:] == [IMAGES, IMAGES, 1]


def test_the_largest_magnitude_is_that_of_either_sign_and_infinite_for_what_is_no_number() -> None:
    assert magnitude(torch.tensor([[1.0, -3.0], [2.0, 0.0]])) == 3.0
    assert magnitude(torch.tensor([5.0, -3.0])) == 5.0
    assert magnitude(torch.tensor([1.0, torch.nan])) == magnitude(torch.tensor([-torch.inf, 1.0])) == torch.inf


@pytest.mark.parametrize(("name", "audited"), [("coreml", True), ("coreml", False), ("executorch-coreml", True)])
def test_an_island_computes_in_float32_what_fp16_cannot_hold(name: str, audited: bool, tmp_path: Path) -> None:
    program, target = export(module(300.0), (4, 4)), find_target(name)
    path = tmp_path / f"p{target.suffix}"
    found = audit(module(300.0), program, [X]).islands if audited else ()
    assert isinstance(target, Choosable)
    target = target.chosen(Choices(islands=frozenset(one.operation for one in found)))
    target.lower(program, Precision.FP16, path, METADATA)
    with torch.no_grad():
        expected = module(300.0)(X).numpy()
    actual = target.load(path)(X.numpy())
    assert np.isfinite(actual).all() == audited
    if audited:
        np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=0.1)
    if audited and name == "coreml":
        delegation = target.inspect(path).delegation
        assert delegation is not None
        islands = {one.op: one.modules for one in delegation.fallback if one.op != "cast"}
        assert islands["conv"] == ("middle",)
        assert delegation.delegated_ops > 0


@torch.no_grad()
def enlarged(gain: float) -> Reference:
    """The bundled b0 with q and k of its linear attention `gain` times as large: the same function, but for eps."""
    reference = load_reference("efficientvit_b0", size=(96, 96))
    for attention in (child for child in reference.module.modules() if isinstance(child, LiteMLA)):
        conv = attention.qkv.conv
        assert isinstance(conv, nn.Conv2d)
        parts = conv.weight.view(-1, 3, attention.head_dim, *conv.weight.shape[1:])
        parts[:, :2] *= gain
    return reference


@pytest.mark.slow
def test_linear_attention_that_overflows_is_reported_and_passes_rewritten(tmp_path: Path) -> None:
    reference, target = enlarged(256.0), find_target("coreml")
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, 8)
    held_out = held_out_images(None, calibration, preprocess, 0, 32)
    lines: list[str] = []
    asked = Preparation(
        reference=reference, calibration=calibration, held_out=held_out, precision=Precision.FP16, targets=[target]
    )
    prepared = prepare(asked, lines.append)[FloatType.FP16]
    assert prepared.audit is not None
    assert all("context_module.main" in one.module for one in prepared.audit.overflowing)
    assert prepared.audit.largest.peak > FP16_MAX
    assert prepared.audit.islands == ()
    assert any("fp16 cannot hold" in line for line in lines)

    images, expected = held_out.first(32), prepared.stages[0][1]
    verdicts = []
    fold_batch_norm(reference.module, torch.from_numpy(images[:1]))
    for program in (prepared.program, export(reference.module, reference.spec.size)):
        path = tmp_path / f"{len(verdicts)}.mlpackage"
        target.lower(program, Precision.FP16, path, METADATA)
        stages = [("reference", expected), ("coreml", target.load(path)(images))]
        verdicts.append(judge(stages, None, target.runtime, Terms(precision=Precision.FP16)).verdict)
    assert verdicts == [Verdict.PASSED, Verdict.FAILED]
