"""ncnn's stock route: pnnx. fp32 only: ncnn's int8 tools (ncnn2table, ncnn2int8) are not on the package index."""

from __future__ import annotations

from pathlib import Path

import pnnx

from benchmarks.engines.ncnn import open_engine
from benchmarks.subjects import Subject
from converters.contract import Precision


def convert(subject: Subject, _precision: Precision, folder: Path) -> Path:
    """Raises ValueError for a file with layers that ncnn does not know: pnnx writes such files without a word."""
    pnnx.export(subject.reference.module, str(folder / "model.pt"), (subject.example,), fp16=False)
    path = folder / "model.ncnn.param"
    open_engine(path, 1)
    return path
