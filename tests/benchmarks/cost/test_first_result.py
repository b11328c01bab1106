"""Which files are loaded to time their first result."""

from __future__ import annotations

from pathlib import Path

from benchmarks.candidates import Runtime
from benchmarks.cost.first_result import FIRST_RESULTS, FirstResult
from benchmarks.cost.measure import EVALUATED
from benchmarks.cost.tasks import TASKS
from converters.contract import Precision


def test_files_are_those_of_the_routes() -> None:
    first = FirstResult(model="efficientvit_m0", runtime=Runtime.LITERT, precision=Precision.INT8)
    assert first.ours(Path("out")) == Path("out/efficientvit_m0/ours-litert/int8.tflite")
    assert first.stock(Path("out")) == Path("out/efficientvit_m0/litert-torch/fp32.tflite")


def test_names_are_no_others() -> None:
    assert not FIRST_RESULTS.keys() & {*EVALUATED, *(task.name for task in TASKS)}
