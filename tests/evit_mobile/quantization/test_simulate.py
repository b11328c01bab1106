"""Rounding is torch's own, bit by bit, and images run at once give what they give alone."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from converters.contract import Precision
from evit_mobile.models import build_model
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.lockstep import in_lockstep
from evit_mobile.quantization.simulate import nearest, run_images, simulate, simulated
from evit_mobile.reference import randomise
from evit_mobile.rewrites import rewrite, rewrite_for_integers
from evit_mobile.spec import find_spec


@given(st.floats(2.0**-20, 2.0**10, width=32), st.integers(-128, 127), st.integers(0, 2**31))
def test_rounding_is_torchs(scale: float, zero_point: int, seed: int) -> None:
    x = torch.randn(4096, generator=torch.Generator().manual_seed(seed)) * scale * 100
    x[:512] = (torch.arange(512) - 256 + 0.5) * scale  # ties
    assert torch.equal(
        nearest(x, scale, zero_point), torch.fake_quantize_per_tensor_affine(x, scale, zero_point, -128, 127)
    )


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        pytest.param("efficientvit_m1", Precision.INT8, marks=pytest.mark.slow),
        pytest.param("efficientvit_m1", Precision.INT8_FULL, marks=pytest.mark.slow),
        ("efficientvit_b0", Precision.INT8),
        ("efficientvit_b0", Precision.INT8_FULL),
        pytest.param("efficientvit_l1", Precision.INT8, marks=pytest.mark.slow),
        pytest.param("efficientvit_seg_b0_cityscapes", Precision.INT8, marks=pytest.mark.slow),
    ],
)
def test_images_at_once_give_what_they_give_alone(name: str, profile: Precision) -> None:
    """In double precision, where another order of sums does not round to another code."""
    size = (64, 96)
    model = build_model(find_spec(name, size=size, num_classes=5))
    randomise(model, size)
    images = [*torch.randn(3, 1, 3, *size, generator=torch.Generator().manual_seed(0))]
    rewritten, _ = (rewrite if profile is Precision.INT8 else rewrite_for_integers)(model, images[0])
    program = export(rewritten, size)
    module = simulate(program, make_plan(program, images, profile=profile)).double()
    images = [image.double() for image in images]
    with torch.no_grad():
        alone = torch.stack([module(image) for image in images])
    *_, (_, stepwise) = in_lockstep(module, images)
    for together in (run_images(module, images), stepwise):
        assert float((together - alone).norm() / alone.norm()) < 1e-9
        assert float((together.flip(0) - alone).norm() / alone.norm()) > 0.1


def test_rounded_weights_go_without_the_collector_and_the_programs_stay() -> None:
    layer = nn.Conv2d(3, 4, 1)
    images = [torch.randn(1, 3, 8, 8)]
    program = export(nn.Sequential(layer, nn.ReLU()).eval(), (8, 8))
    plan = make_plan(program, images)
    gc.disable()
    try:
        with simulated(program, plan) as module:
            (expected,) = run_images(module, images)
            rounded = weakref.ref(dict(module.named_parameters())[plan.weights[0].tensor])
            assert not torch.equal(rounded(), layer.weight)
        assert rounded() is None
    finally:
        gc.enable()
    assert torch.equal(simulate(program, plan)(images[0]), expected)
    assert torch.equal(program.state_dict[plan.weights[0].tensor], layer.weight)
