"""A ReLU goes where unsigned codes do the same, and stays anywhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from converters.contract import Precision
from converters.coreml import package
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import export, plan, seeded, write
from tests.converters.coreml.int8_packages import X, lowered, of_kind


class TestSaturatedRelu:
    def test_before_unsigned_codes_it_goes(self, tmp_path: Path) -> None:
        layers = seeded(lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1)))
        kept = lowered(layers, tmp_path / "kept.mlpackage", without="saturated_relu")
        assert len(of_kind(kept, "relu")) == 1
        assert not of_kind(lowered(layers, tmp_path / "p.mlpackage"), "relu")

    def test_before_signed_codes_it_stays(self, tmp_path: Path) -> None:
        program = export(seeded(lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1))), X)
        unsigned = plan(program, X)
        signed = tuple(replace(each, zero_point=0) for each in unsigned.activations)
        write(
            quantize_program(program, replace(unsigned, activations=signed)), tmp_path / "p.mlpackage", Precision.INT8
        )
        assert len(of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "relu")) == 1

    def test_what_floats_read_too_stays(self, tmp_path: Path) -> None:
        class Gate(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)

            def forward(self, x: Tensor) -> Tensor:
                x = self.first(x).relu()
                return self.last(x) * x.sigmoid()

        layers: set[object] = {torch.ops.aten.conv2d.default}
        found = lowered(seeded(Gate), tmp_path / "p.mlpackage", operators=layers)
        assert len(of_kind(found, "relu")) == 1
