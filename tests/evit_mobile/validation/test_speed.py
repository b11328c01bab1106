"""int8 against its fp32 twin: on a clock of the test's own, and in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from converters.contract import Metadata, Precision, Runner
from converters.registry import find_target
from evit_mobile.figures import Estimate
from evit_mobile.findings import Speed
from evit_mobile.prepare.forms import export
from evit_mobile.report.tables import manifest_table
from evit_mobile.validation import speed
from tests.manifests import artefact, of_model

IMAGE = np.zeros((1, 3, 8, 8), np.float32)


class Clock:
    """Time passes when a runner runs, and not otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def runner(self, seconds: float) -> Runner:
        def run(images: Any) -> Any:
            self.now += seconds
            return images

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock.now)
    return clock


@pytest.mark.parametrize(("ours", "theirs"), [(0.001, 0.002), (0.5, 0.4)])
def test_the_ratio_is_that_of_the_times(ours: float, theirs: float, clock: Clock) -> None:
    measured = speed.compare(clock.runner(ours), clock.runner(theirs), IMAGE)
    assert measured.ms == pytest.approx(1e3 * ours)
    assert measured.fp32_ms == pytest.approx(1e3 * theirs)
    assert measured.ratio.value == pytest.approx(ours / theirs)


def test_the_twin_is_the_float_program_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    torch.manual_seed(0)
    program = export(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()).eval(), (8, 8))
    target, path = find_target("tflite"), tmp_path / "model.tflite"
    target.lower(program, Precision.FP32, path, Metadata(description="test"))
    told: list[str] = []
    measured = speed.against_fp32(target, path, program, IMAGE, told.append)
    assert measured is not None
    assert told == ["timing model.tflite against fp32"]
    assert measured.ms > 0
    assert not list((tmp_path / "temporary").rglob("*.tflite"))
    assert speed.against_fp32(find_target("coreml"), path, program, IMAGE, told.append) is None
    assert len(told) == 1


def table_with(low: float, value: float) -> str:
    measured = Speed(ms=1.0, fp32_ms=2.0, ratio=Estimate(value=value, low=low, high=value))
    console = Console(width=100)
    with console.capture() as capture:
        console.print(manifest_table(of_model(artefact("a.tflite", speed=measured))))
    return capture.get()


def test_the_table_warns_of_what_is_slower_beyond_doubt() -> None:
    assert "but slow" in table_with(low=1.05, value=1.1)
    assert "but slow" not in table_with(low=0.95, value=1.1)
    assert "1.10 of the time that fp32 takes" in table_with(low=0.95, value=1.1)
