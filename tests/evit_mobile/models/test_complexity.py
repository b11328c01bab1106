"""Params and MACs against the reference modules themselves, and against the tables that the papers publish."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evit_mobile.models import build_model
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.spec import MODELS, find_spec

PUBLISHED = {  # parameters in millions and the value of one unit of the last digit given; MACs in millions, the same
    "efficientvit_m0": (2.3, 0.1, 79, 1),
    "efficientvit_m1": (3.0, 0.1, 167, 1),
    "efficientvit_m2": (4.2, 0.1, 201, 1),
    "efficientvit_m3": (6.9, 0.1, 263, 1),
    "efficientvit_m4": (8.8, 0.1, 299, 1),
    "efficientvit_m5": (12.4, 0.1, 522, 1),
    "efficientvit_b0": (3.4, 0.1, 100, 10),
    "efficientvit_b1": (9.1, 0.1, 520, 10),
    "efficientvit_b2": (24, 1, 1600, 100),
    "efficientvit_b3": (49, 1, 4000, 100),
    "efficientvit_l1": (53, 1, 5300, 100),
    "efficientvit_l2": (64, 1, 6900, 100),
    "efficientvit_l3": (246, 1, 28000, 1000),
    "efficientvit_seg_b0_cityscapes": (0.7, 0.1, 4400, 100),
    "efficientvit_seg_b1_cityscapes": (4.8, 0.1, 25000, 1000),
    "efficientvit_seg_b2_cityscapes": (15, 1, 74000, 1000),
    "efficientvit_seg_b3_cityscapes": (40, 1, 179000, 1000),
    "efficientvit_seg_l1_cityscapes": (40, 1, 282000, 1000),
    "efficientvit_seg_l2_cityscapes": (53, 1, 396000, 1000),
    "efficientvit_seg_b1_ade20k": (4.8, 0.1, 3100, 100),
    "efficientvit_seg_b2_ade20k": (15, 1, 9100, 100),
    "efficientvit_seg_b3_ade20k": (39, 2, 22000, 1000),  # its code builds 39.55 M
    "efficientvit_seg_l1_ade20k": (40, 1, 36000, 1000),
    "efficientvit_seg_l2_ade20k": (51, 1, 45000, 1000),
}
"""README of microsoft/Cream EfficientViT/classification@4a13c40, of mit-han-lab/efficientvit
applications/efficientvit_{cls,seg}@de7d773, and for B0 timm's model card. None is published for L0."""


def agrees(value: float, published: float, unit: float) -> bool:
    """Within 1 %, or within the rounding of the published number where that is coarser."""
    return abs(value - published) <= max(0.01 * published, 0.5 * unit)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name: str) -> None:
    parameters, parameter_unit, macs, mac_unit = PUBLISHED[name]
    assert agrees(count_parameters(MODELS[name]) / 1e6, parameters, parameter_unit)
    assert agrees(count_macs(MODELS[name]) / 1e6, macs, mac_unit)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_those_of_the_reference(name: str) -> None:
    spec = MODELS[name]
    with torch.device("meta"):
        module = build_model(spec)
    assert count_parameters(spec) == sum(parameter.numel() for parameter in module.parameters())


def test_every_published_variant_is_compared() -> None:
    assert set(PUBLISHED) == set(MODELS) - {"efficientvit_l0"}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientvit_m0", (64, 64)),
        ("efficientvit_m1", (192, 256)),
        ("efficientvit_b0", (96, 64)),
        ("efficientvit_seg_b0_cityscapes", (64, 96)),
        ("efficientvit_seg_b1_ade20k", (64, 64)),
        pytest.param("efficientvit_l0", (64, 96), marks=pytest.mark.slow),
        pytest.param("efficientvit_seg_l1_ade20k", (64, 96), marks=pytest.mark.slow),
        pytest.param("efficientvit_seg_l2_cityscapes", (64, 96), marks=pytest.mark.slow),
        pytest.param("efficientvit_m5", (224, 224), marks=pytest.mark.slow),
        pytest.param("efficientvit_b3", (224, 224), marks=pytest.mark.slow),
        pytest.param("efficientvit_l1", (64, 96), marks=pytest.mark.slow),
        pytest.param("efficientvit_l2", (224, 224), marks=pytest.mark.slow),
    ],
)
def test_macs_are_those_that_torch_counts_while_running(name: str, size: tuple[int, int]) -> None:
    spec = find_spec(name, size=size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        build_model(spec)(torch.zeros(1, 3, *size))
    assert count_macs(spec) == counter.get_total_flops() / 2


def test_a_wrong_depth_is_noticed() -> None:
    """The planted fault: one block less."""
    spec = MODELS["efficientvit_m0"]
    shallower = replace(spec, architecture=replace(spec.architecture, depths=(1, 2, 2)))
    parameters, unit, _, _ = PUBLISHED["efficientvit_m0"]
    assert not agrees(count_parameters(shallower) / 1e6, parameters, unit)
