"""From what was observed to a plan: parameters by hand, and what each profile leaves float."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from calib.errors import DataError
from calib.methods import Method
from calib.ranges import Range, affine_parameters
from converters.contract import Precision
from converters.quantized_program import shared_module
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.integer_ranges import UNIT_PARAMETERS, Group, Parameters
from evit_mobile.quantization.observe import Observations
from evit_mobile.quantization.placement import PROTECTED_REASON
from evit_mobile.quantization.plan import (
    SILENT,
    WIDE_BITS,
    WIDE_UNIT,
    candidates,
    group_parameters,
    make_plan,
    placement_for,
    tensor_parameters,
    wide_parameters,
)
from evit_mobile.quantization.scales import half_scale

SIDE = 8


class Gated(nn.Module):
    """A convolution's result times its own sigmoid, two more convolutions, and a softmax between these."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.second(x * torch.sigmoid(x))
        out: Tensor = self.third(x.softmax(1))
        return out


@pytest.fixture(scope="module")
def gated() -> ExportedProgram:
    torch.manual_seed(0)
    return export(Gated().eval().requires_grad_(False), (SIDE, SIDE))


@pytest.fixture(scope="module")
def photos() -> list[Tensor]:
    return list(torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).split(1))


def test_the_image_has_the_parameters_of_its_range(gated: ExportedProgram, photos: list[Tensor]) -> None:
    plan = make_plan(gated, photos, method=Method.MIN_MAX)
    pixels = torch.cat(photos)
    scale, zero_point = affine_parameters(float(pixels.min()), float(pixels.max()))
    (image,) = (one for one in plan.activations if one.tensor == "x")
    assert (image.scale, image.zero_point, image.bits) == (half_scale(scale), zero_point, 8)


def test_each_weight_has_a_scale_for_each_output_channel(gated: ExportedProgram, photos: list[Tensor]) -> None:
    plan = make_plan(gated, photos)
    assert [(one.tensor, one.module, len(one.scales)) for one in plan.weights] == [
        ("first.weight", "first", 4),
        ("second.weight", "second", 4),
        ("third.weight", "third", 2),
    ]
    peaks = gated.state_dict["first.weight"].flatten(1).abs().amax(1) / 127
    np.testing.assert_allclose(plan.weights[0].scales, peaks, rtol=2**-9)


@pytest.mark.parametrize(
    ("profile", "bits"), [(Precision.INT8, {8}), (Precision.INT8_FULL, {8}), (Precision.A16W8, {WIDE_BITS})]
)
def test_activations_have_the_bits_of_the_profile(
    profile: Precision, bits: set[int], gated: ExportedProgram, photos: list[Tensor]
) -> None:
    plan = make_plan(gated, photos, profile=profile)
    assert {one.bits for one in plan.activations} == bits
    assert [one.tensor for one in plan.activations] == candidates(gated, profile)
    operations = {one.operation for one in plan.floats}
    assert operations == (set() if profile is Precision.INT8_FULL else {"aten.softmax.int"})


def test_weights_alone_leave_every_tensor_as_it_is(gated: ExportedProgram) -> None:
    plan = make_plan(gated, iter(()), profile=Precision.INT8_WEIGHTS)
    assert (plan.activations, plan.floats, len(plan.weights)) == ((), (), 3)
    assert candidates(gated, Precision.INT8_WEIGHTS) == []


def test_what_is_protected_is_float_with_the_reason(gated: ExportedProgram, photos: list[Tensor]) -> None:
    plan = make_plan(gated, photos, protected=frozenset({"third"}))
    assert [one.tensor for one in plan.weights] == ["first.weight", "second.weight"]
    reasons = {one.operation: one.reason for one in plan.floats if one.module == "third"}
    assert reasons == {"aten.conv2d.default": PROTECTED_REASON}
    assert set(candidates(gated)) >= {one.tensor for one in plan.activations}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_tensor_that_is_not_finite_is_an_error(value: float, gated: ExportedProgram, photos: list[Tensor]) -> None:
    with pytest.raises(DataError, match="finite"):
        make_plan(gated, [*photos, torch.full_like(photos[0], value)])


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (Precision.INT8, UNIT_PARAMETERS),
        (Precision.INT8_FULL, UNIT_PARAMETERS),
        (Precision.A16W8, WIDE_UNIT),
    ],
)
def test_sigmoid_has_its_kernels_parameters(
    profile: Precision, expected: Parameters, gated: ExportedProgram, photos: list[Tensor]
) -> None:
    plan = make_plan(gated, photos, profile=profile)
    (found,) = ((one.scale, one.zero_point) for one in plan.activations if one.tensor == "sigmoid")
    assert found == expected


def test_a_group_that_is_always_zero_has_a_scale_that_hexagon_computes_with() -> None:
    assert wide_parameters((), lambda: (0.0, 0.0), {}) == SILENT
    low, high = -1.0, 3.0
    scale, zero_point = wide_parameters((), lambda: (low, high), {})
    assert scale == pytest.approx(4 / 65535, rel=1e-6)
    assert zero_point == round(-32768 + 1 / scale)


def test_scales_are_fp16_numbers_that_cover_the_range() -> None:
    scale, zero_point = group_parameters((), lambda: (-1.0, 2.0), {})
    assert float(np.float16(scale)) == scale >= 3 / 255
    assert zero_point == affine_parameters(-1.0, 2.0)[1]


def test_a_group_is_chosen_once_with_all_before_it_known(gated: ExportedProgram) -> None:
    groups = placement_for(Precision.INT8, shared_module(gated), frozenset()).groups
    seen: list[int] = []

    def choose(_group: Group, _observed: Callable[[], Range], known: Mapping[Node, Parameters]) -> Parameters:
        seen.append(len(known))
        return float(len(seen)), 0

    found = tensor_parameters(groups, Observations(method=Method.MSE, observers={}), choose)
    assert seen == [sum(map(len, groups[:at])) for at in range(len(groups))]
    assert [found[node] for group in groups for node in group] == [
        (float(at + 1), 0) for at, group in enumerate(groups) for _ in group
    ]
