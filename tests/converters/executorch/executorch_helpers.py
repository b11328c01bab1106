"""What the ExecuTorch tests share: files, what is in them, and running them in ExecuTorch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from lowering_helpers import METADATA
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.executorch.quiet import quiet_toolchain

with quiet_toolchain():
    from converters.executorch.container import open_container
    from converters.executorch.delegate import StoredGraph
    from converters.executorch.lower import to_bytes
    from converters.executorch.runtime import make_runner


def content(program: ExportedProgram, precision: Precision = Precision.FP32) -> bytes:
    return to_bytes(program, precision, METADATA)


def run(file: bytes, x: Tensor) -> np.ndarray:
    return make_runner(file)(x.numpy())


def graph(file: bytes) -> StoredGraph:
    """The graph of the file's only delegate."""
    (only,) = open_container(file).graphs
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
