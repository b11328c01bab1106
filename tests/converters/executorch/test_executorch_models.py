"""Whole EfficientViTs: one delegate, and the graph's own result."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from executorch_helpers import METADATA, kinds, run
from torch import nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.executorch.lower import to_bytes
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.models.build import build_model
from evit_mobile.quantization import make_plan
from evit_mobile.rewrites import rewrite
from evit_mobile.spec import find_spec

FLOAT_SQNR_DB = {Precision.FP32: 90.0, Precision.FP16: 50.0}
INT8_SQNR_DB = 25.0  # codes on the edge between two values fall on different sides and later layers carry that on


def sqnr_db(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((actual - expected) ** 2).sum()))


def random_model(name: str, size: int) -> nn.Module:
    """The variant with norms drawn at random: fresh ones switch whole branches off."""
    torch.manual_seed(0)
    model = build_model(find_spec(name, size=(size, size), num_classes=10))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0, 0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def program_of(name: str, size: int, precision: Precision) -> tuple[ExportedProgram, torch.Tensor]:
    """The program as the pipeline would hand it over, and an image that calibration has not seen."""
    int8 = precision is Precision.INT8
    model, _ = rewrite(random_model(name, size), torch.randn(2, 3, size, size), int8=int8)
    x = torch.randn(1, 3, size, size)
    program = torch.export.export(model, (x,))
    if int8:
        images = [torch.randn(1, 3, size, size) for _ in range(2)]
        program = quantize_program(program, make_plan(program, images))
    return program, x


def check(name: str, size: int, precision: Precision) -> None:
    program, x = program_of(name, size, precision)
    file = to_bytes(program, precision, METADATA)
    expected = graph_module(program)(x).detach().numpy()
    assert kinds(file).total() > 0  # which also asserts that there is one delegate
    assert sqnr_db(run(file, x), expected) > FLOAT_SQNR_DB.get(precision, INT8_SQNR_DB)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(("name", "size"), [("efficientvit_m0", 128), ("efficientvit_b0", 96)])
def test_the_smallest_variants_are_one_delegate_and_agree(name: str, size: int, precision: Precision) -> None:
    check(name, size, precision)


def test_cascaded_attention_needs_no_transpose_but_the_inputs() -> None:
    program, _ = program_of("efficientvit_m0", 128, Precision.FP32)
    assert kinds(to_bytes(program, Precision.FP32, METADATA))["StaticTranspose"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("efficientvit_m0", 224),
        ("efficientvit_m1", 224),
        ("efficientvit_m5", 128),
        ("efficientvit_b0", 224),
        ("efficientvit_b2", 96),
        ("efficientvit_l1", 64),
    ],
)
def test_more_variants_are_one_delegate_and_agree(name: str, size: int, precision: Precision) -> None:
    check(name, size, precision)
