"""What GPUs refuse or compute wrongly is not in the file, which computes the same on the CPU; with `cpu_only` it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.quantized_program import quantize_program
from converters.tflite.graph import DataType, Graph, Operation
from converters.tflite.lower import to_bytes, to_graph
from converters.tflite.passes.dense_convolutions import block_diagonal, grouped_int8, slices
from converters.tflite.passes.float_groups import reads_a_group
from evit_mobile.quantization import make_plan
from evit_mobile.rewrites.integer_layer_norm import CentredNorm
from tests.converters.tflite.tflite_helpers import partitions, run
from tests.lowering_helpers import METADATA, export, program_of, quantize

IMAGE = (1, 12, 9, 9)


def files(program: ExportedProgram, precision: Precision) -> tuple[bytes, bytes]:
    """For all processors, and for CPUs only."""
    everywhere, cpu = (to_bytes(program, precision, METADATA, cpu_only=only) for only in (False, True))
    return everywhere, cpu


def graphs(program: ExportedProgram, precision: Precision) -> tuple[Graph, Graph]:
    everywhere, cpu = (to_graph(program, precision, cpu_only=only) for only in (False, True))
    return everywhere, cpu


def grouped(graph: Graph) -> list[Operation]:
    return [operation for operation in graph.operations if grouped_int8(operation)]


def unequal(graph: Graph) -> list[Operation]:
    """Int8 sums and products of activations that differ in rank."""
    return [
        operation
        for operation in graph.operations
        if operation.code in ("ADD", "SUB", "MUL")
        and len({len(one.shape) for one in operation.inputs if one and one.data is None}) > 1
        and operation.output.dtype is DataType.INT8
    ]


def unpacked_groups(graph: Graph) -> list[Operation]:
    """Grouped convolutions whose weights come from a DEQUANTIZE."""
    unpacked = {id(operation.output) for operation in graph.operations if operation.code == "DEQUANTIZE"}
    convolutions = [operation for operation in graph.operations if operation.code == "CONV_2D"]
    return [one for one in convolutions if reads_a_group(one) and id(one.inputs[1]) in unpacked]


def matrices_unpacked(graph: Graph) -> list[Operation]:
    return [
        operation
        for operation in graph.operations
        if operation.code == "DEQUANTIZE" and operation.inputs[0] and operation.inputs[0].data is not None
        if len(operation.output.shape) == 2
    ]


GROUPED = {
    "one pixel": nn.Conv2d(12, 24, 1, groups=3),
    "several pixels": nn.Conv2d(12, 8, 3, padding=1, groups=4),
    "slices": nn.Sequential(nn.Conv2d(12, 288, 1), nn.ReLU(), nn.Conv2d(288, 144, 3, groups=9)),
    "slices of one group": nn.Sequential(nn.Conv2d(12, 240, 1), nn.ReLU(), nn.Conv2d(240, 480, 1, groups=3)),
    "strides": nn.Conv2d(12, 24, (3, 5), stride=2, groups=6, bias=False),
}


@pytest.mark.parametrize("name", GROUPED)
def test_grouped_int8_convolutions_are_dense_and_give_the_same_codes(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    program = quantize(export(nn.Sequential(GROUPED[name], nn.ReLU()), x), x)
    everywhere, cpu = graphs(program, Precision.INT8)
    assert (len(grouped(everywhere)), len(grouped(cpu))) == (0, 1)
    ours, theirs = files(program, Precision.INT8)
    for image in (x, torch.randn(IMAGE)):
        np.testing.assert_array_equal(run(ours, image), run(theirs, image))
    assert partitions(ours) == partitions(theirs) == 1


@pytest.mark.parametrize("name", ["one pixel", "several pixels"])
def test_grouped_convolutions_with_int8_weights_have_float_ones(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    program = export(nn.Sequential(GROUPED[name], nn.ReLU(), nn.Conv2d(GROUPED[name].out_channels, 8, 1)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, cpu = graphs(program, Precision.INT8_WEIGHTS)
    assert (len(unpacked_groups(everywhere)), len(unpacked_groups(cpu))) == (0, 1)
    assert [one.code for one in everywhere.operations].count("DEQUANTIZE") == 1
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_array_equal(run(ours, x), run(theirs, x))
    assert partitions(ours) == partitions(theirs) == 1


def test_what_is_right_on_gpus_stays() -> None:
    x = torch.randn(IMAGE)
    for module in (nn.Conv2d(12, 12, 3, groups=12), nn.Conv2d(12, 24, 3, groups=12), nn.Conv2d(12, 24, 1)):
        program = quantize(export(module, x), x)
        assert files(program, Precision.INT8)[0] == files(program, Precision.INT8)[1]
    program = export(GROUPED["one pixel"], x)
    assert files(program, Precision.FP32)[0] == files(program, Precision.FP32)[1]


def test_a_block_diagonal_weight_reads_its_own_group() -> None:
    weight = np.arange(1, 17, dtype=np.int8).reshape(4, 1, 1, 4)
    wide = block_diagonal(weight, 8)[:, 0, 0]
    np.testing.assert_array_equal(wide[:2], np.pad(weight[:2, 0, 0], ((0, 0), (0, 4))))
    np.testing.assert_array_equal(wide[2:], np.pad(weight[2:, 0, 0], ((0, 0), (4, 0))))


def test_slices_are_whole_groups_and_cover_all_channels() -> None:
    assert list(slices(64, 16)) == [(0, 64)]
    assert list(slices(288, 32)) == [(0, 64), (64, 64), (128, 64), (192, 64), (256, 32)]
    assert list(slices(240, 80)) == [(0, 80), (80, 80), (160, 80)]
    assert list(slices(96, 24)) == [(0, 48), (48, 48)]


@pytest.mark.parametrize("shape", [(1, 12), (1, 5, 12)])
def test_layers_with_int8_weights_are_convolutions(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    program = export(nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 7, bias=False)), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_WEIGHTS))
    everywhere, cpu = graphs(program, Precision.INT8_WEIGHTS)
    assert (len(matrices_unpacked(everywhere)), len(matrices_unpacked(cpu))) == (0, 2)
    assert "FULLY_CONNECTED" not in {operation.code for operation in everywhere.operations}
    ours, theirs = files(program, Precision.INT8_WEIGHTS)
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-6, atol=1e-6)
    assert partitions(ours) == partitions(theirs) == 1


class Normed(nn.Module):
    """The norm of a MIT head in integers: it multiplies a vector by a number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(12, 16, bias=False)
        self.norm = CentredNorm(nn.LayerNorm(16))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.layer(x))
        return out


def test_int8_products_have_operands_of_one_rank() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 12)
    program = export(Normed(), x)
    program = quantize_program(program, make_plan(program, [x], profile=Precision.INT8_FULL))
    everywhere, cpu = graphs(program, Precision.INT8_FULL)
    assert (len(unequal(everywhere)), len(unequal(cpu))) == (0, 1)
    ours, theirs = files(program, Precision.INT8_FULL)
    np.testing.assert_array_equal(run(ours, x), run(theirs, x))


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.INT8_WEIGHTS, Precision.INT8_FULL])
def test_the_whole_model_has_none_of_them(precision: Precision) -> None:
    torch.manual_seed(0)
    program, x = program_of("efficientvit_b0", 96, precision)
    everywhere, cpu = graphs(program, precision)
    faults = (grouped, unpacked_groups, matrices_unpacked, unequal)
    assert [len(find(everywhere)) for find in faults] == [0, 0, 0, 0]
    found = {Precision.INT8: grouped, Precision.INT8_WEIGHTS: matrices_unpacked, Precision.INT8_FULL: unequal}
    assert found[precision](cpu)
    ours, theirs = files(program, precision)
    np.testing.assert_allclose(run(ours, x), run(theirs, x), rtol=1e-5, atol=1e-5)
