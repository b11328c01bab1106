"""Slices of quantized tensors are taken of the codes, where both have the same numbers."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from converters.contract import Precision
from converters.coreml import package, toolchain
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import export, plan, seeded, write
from tests.converters.coreml.int8_packages import TAKEN, X, lowered, of_kind


class Sliced(nn.Module):
    """Two convolutions, each of half of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x[:, :3]) + self.second(x[:, 3:])


class TestIntegerMovement:
    def test_slices_of_codes_are_taken_of_the_codes(self, tmp_path: Path) -> None:
        module = seeded(Sliced)
        program = export(module, X)
        image = plan(program, X).activations[0]
        same = plan(program, X, TAKEN)
        slices = [node.name for node in program.graph.nodes if "slice" in node.name]
        activations = tuple(
            type(a)(tensor=a.tensor, module="", scale=image.scale, zero_point=image.zero_point)
            if a.tensor in slices
            else a
            for a in same.activations
        )
        quantized = quantize_program(program, type(same)(activations=activations, weights=same.weights, floats=()))
        write(quantized, tmp_path / "p.mlpackage", Precision.INT8)
        cut = of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "slice_by_index")
        types = toolchain.load("coremltools.converters.mil.mil.types")
        assert [types.builtin_to_string(one.outputs[0].dtype) for one in cut] == ["int8", "int8"]
        assert all(one.name.split("_")[0] == "slice" for one in cut)

    def test_a_slice_with_a_scale_of_its_own_is_rounded_again(self, tmp_path: Path) -> None:
        cut = of_kind(lowered(seeded(Sliced), tmp_path / "p.mlpackage", operators=TAKEN), "slice_by_index")
        assert [one.x.op.op_type for one in cut] == ["dequantize", "dequantize"]
