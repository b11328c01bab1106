"""What the writing process is told, and what becomes of its refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from converters.contract import FloatType, Metadata, Precision
from converters.coreai import handover
from converters.coreai import lower as module
from converters.coreai.child import ChildError
from converters.coreai.lower import PRECISIONS, lower
from converters.errors import ToolchainError
from converters.interface import Function, Interface, Normalization
from tests.lowering_helpers import Apply, export

METADATA = Metadata(
    description="a net", license="MIT", labels=("a", "b"), extra={"seed": "0"}, preprocessing={"mean": [0.5]}
)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a process that refuses was told, and the programs it was given, by name."""
    told: dict[str, Any] = {}

    class Refusing:
        def __init__(self, name: str, folder: str, path: str) -> None:
            assert name == "write_worker"
            told.update(json.loads(Path(folder, "job.json").read_text("utf-8")))
            told["shapes"] = {
                one["name"]: tuple(handover.load(Path(folder, one["name"])).example_inputs[0][0].shape)
                for one in told["functions"]
            }
            Path(path).mkdir()

        def ask(self) -> bytes:
            raise ChildError("ValueError: no such op")

    monkeypatch.setattr(module, "Child", Refusing)
    return told


def function(height: int, width: int, *islands: str) -> Function:
    return Function(program=export(Apply(torch.relu), torch.zeros(1, 3, height, width)), islands=frozenset(islands))


def refused(path: Path, *functions: Function, precision: Precision = Precision.FP16) -> str:
    with pytest.raises(ToolchainError) as caught:
        lower(functions, precision, path, METADATA)
    return str(caught.value)


def test_a_refusal_is_told_and_leaves_nothing(job: dict[str, Any], tmp_path: Path) -> None:
    said = refused(tmp_path / "a.aimodel", function(4, 6, "relu", "add"))
    assert "a failure of coreai-torch, ValueError: no such op" in said
    assert not list(tmp_path.iterdir())
    assert job["functions"] == [{"name": "main", "wide": ["add", "relu"]}]
    assert job["shapes"] == {"main": (1, 3, 4, 6)}
    assert job["metadata"] == {
        "description": "a net",
        "author": "",
        "license": "MIT",
        "version": "",
        "precision": "fp16",
        "seed": "0",
        "labels": ["a", "b"],
        "preprocessing": {"mean": [0.5]},
    }


def test_several_sizes_are_functions_called_by_them(job: dict[str, Any], tmp_path: Path) -> None:
    refused(tmp_path / "a.aimodel", function(4, 6), function(8, 2, "relu"), precision=Precision.FP32)
    assert job["shapes"] == {"size_4x6": (1, 3, 4, 6), "size_8x2": (1, 3, 8, 2)}
    assert [one["wide"] for one in job["functions"]] == [[], ["relu"]]
    assert (job["floats"], job["palette_bits"], job["compressed"]) == ("fp32", None, False)


def test_the_width_of_an_index_is_told(job: dict[str, Any], tmp_path: Path) -> None:
    refused(tmp_path / "a.aimodel", function(4, 6), precision=Precision.INT8_PALETTE4)
    assert (job["floats"], job["palette_bits"], job["compressed"]) == ("fp16", 4, True)


def test_the_ends_that_are_asked_for_are_told_and_stated(job: dict[str, Any], tmp_path: Path) -> None:
    normalization = Normalization(mean=(0, 0.5, 1), std=(1, 2, 4))
    with pytest.raises(ToolchainError):
        lower(
            [function(4, 6)],
            Precision.FP16,
            tmp_path / "a.aimodel",
            METADATA,
            Interface(pixels=normalization, classes=True),
        )
    assert job["interface"] == {"pixels": {"mean": [0, 0.5, 1], "std": [1, 2, 4]}, "classes": True}
    assert job["metadata"]["output"] == "probabilities"
    assert Normalization.from_metadata(job["metadata"]) == normalization


def test_only_fp32_computes_in_fp32() -> None:
    assert {precision for precision, floats in PRECISIONS.items() if floats is FloatType.FP32} == {Precision.FP32}
    assert set(Precision) - set(PRECISIONS) == {Precision.INT8_FULL, Precision.A16W8}
