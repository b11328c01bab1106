"""The operators of a .tflite file in order, for matching them with a profile."""

from __future__ import annotations

from pathlib import Path

from converters.tflite.inspect import module_path, operator_kinds
from converters.tflite.structure import read_model

SOURCE = "LiteRT's profiler, with XNNPACK's operators"
"""Who tells the times of operators, in words."""


def operator_names(path: Path) -> tuple[list[str], list[str]]:
    """Kind of every operator, and path of the module that its result belongs to ("" if unknown). Raises ArtefactError."""
    _, model = read_model(path)
    subgraph = model.subgraphs[0]
    return list(operator_kinds(model)), [module_path(subgraph, operator) for operator in subgraph.operators]
