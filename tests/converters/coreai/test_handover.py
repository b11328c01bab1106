"""Programs that another process gets: what is read is what was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from converters.coreai.handover import load, save
from converters.lowering.program import module_path
from tests.lowering_helpers import export, quantize

X = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    class Local(nn.Module):
        """Which no other process could import."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(2, 4, 1), nn.Hardswish(), nn.Conv2d(4, 2, 1, bias=False))
            self.register_buffer("shift", torch.tensor([float("inf"), -1.0]).view(1, 2, 1, 1))
            self.register_buffer("passing", torch.ones(6), persistent=False)

        def forward(self, input: Tensor) -> Tensor:
            left, right = input.chunk(2, dim=1)
            return torch.clamp(self.layers(left) + right, max=self.shift) * self.passing + torch.arange(6)

    return Local()


def described(program: ExportedProgram) -> list[tuple[Any, ...]]:
    def told(value: Any) -> Any:
        return (
            [told(one) for one in value]
            if isinstance(value, tuple | list)
            else (tuple(value.shape), value.stride(), value.dtype)
        )

    def of(node: Node) -> tuple[Any, ...]:
        value = node.meta.get("val")
        return (
            node.op,
            node.name,
            node.target,
            str(node.args),
            str(node.kwargs),
            None if value is None else told(value),
            module_path(node),
        )

    return [of(node) for node in program.graph.nodes]


@pytest.mark.parametrize("kind", ["floats", "int8"])
def test_all_of_a_program_arrives(kind: str, tmp_path: Path) -> None:
    program = export(net(), X) if kind == "floats" else quantize(export(net().layers, X[:, :2]), X[:, :2])
    save(program, tmp_path / "a")
    found = load(tmp_path / "a")
    assert described(found) == described(program)
    assert found.graph_signature == program.graph_signature
    assert {name: value.dtype for name, value in found.state_dict.items()} == {
        name: value.dtype for name, value in program.state_dict.items()
    }
    (example,), _ = found.example_inputs
    assert torch.equal(example, program.example_inputs[0][0])
    assert torch.equal(found.module()(example), program.module()(example))


def test_another_process_needs_nothing_of_this_one(tmp_path: Path) -> None:
    program = export(net(), X)
    save(program, tmp_path / "a")
    script = f"""
import torch
from pathlib import Path
from converters.coreai.handover import load
program = load(Path({str(tmp_path / "a")!r}))
torch.save(program.module()(*program.example_inputs[0]), {str(tmp_path / "found")!r})
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=100)
    assert torch.equal(torch.load(tmp_path / "found"), program.module()(X))


def test_a_folder_is_written_once(tmp_path: Path) -> None:
    program = export(nn.ReLU(), X)
    save(program, tmp_path / "a")
    with pytest.raises(FileExistsError):
        save(program, tmp_path / "a")
