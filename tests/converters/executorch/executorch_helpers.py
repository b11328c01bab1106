"""What the ExecuTorch tests share: files, what is in them, and running them in ExecuTorch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import Precision
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA

containers = Lazily("converters.executorch.container")
lowering = Lazily("converters.executorch.lower")
runtimes = Lazily("converters.executorch.runtime")


def content(program: ExportedProgram, precision: Precision = Precision.FP32) -> bytes:
    return lowering.to_bytes(program, precision, METADATA)


def run(file: bytes, x: Tensor) -> np.ndarray:
    return runtimes.make_runner(file)(x.numpy())


def graph(file: bytes) -> Any:
    """The graph of the file's only delegate."""
    (only,) = containers.open_container(file).graphs
    return only


def kinds(file: bytes) -> Counter[str]:
    return Counter(node.kind for node in graph(file).nodes)


def int8_kinds(file: bytes) -> Counter[str]:
    """Operations that write int8."""
    stored = graph(file)
    return Counter(node.kind for node in stored.nodes if stored.values[node.output].dtype == "qint8")


def write(folder: Path, file: bytes) -> Path:
    path = folder / "model.pte"
    path.write_bytes(file)
    return path
