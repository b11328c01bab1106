"""Calibration by way of the cache: one pass, the next one none, and none at all where nothing is int8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from calib.datasets import ArrayDataset
from calib.methods import Method
from calib.preprocess import Preprocess
from converters.contract import Precision
from evit_mobile.images.data import Images, everything
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.calibration import REPORTS, calibrate
from evit_mobile.quantization.plan import candidates

SIDE = 8


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    torch.manual_seed(0)
    return export(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval(), (SIDE, SIDE))


def photos(count: int, seed: int = 0) -> Images:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    chosen = everything(ArrayDataset(source="photos", images=pixels), Preprocess(size=(SIDE, SIDE)), None)
    contents = tuple(f"{seed}-{index}" for index in range(count))
    return replace(chosen, selection=replace(chosen.selection, contents=contents))


def test_ranges_are_those_of_the_images(program: ExportedProgram) -> None:
    images = photos(5)
    found = calibrate(program, images, method=Method.MIN_MAX, cached=False, report=print)
    assert set(found.observers) == set(candidates(program))
    pixels = np.concatenate(list(images.batches(1)))
    assert found.range([candidates(program)[0]]) == (float(pixels.min()), float(pixels.max()))


def test_progress_is_told_a_few_times(program: ExportedProgram) -> None:
    lines: list[str] = []
    calibrate(program, photos(40), cached=False, report=lines.append)
    assert lines[0] == "calibrating on 40 images"
    assert lines[-1] == "calibrating: 40 of 40 images"
    assert 1 < len(lines) <= REPORTS + 1


def test_the_same_is_not_observed_twice(
    program: ExportedProgram, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, lines = photos(4), []
    first = calibrate(program, images, report=lambda _: None)
    assert list((own_folder / "evit-mobile" / "calibration").iterdir())
    monkeypatch.setattr(torch, "from_numpy", lambda _: pytest.fail("an image was run"))
    again = calibrate(program, images, report=lines.append)
    assert lines == ["calibrating on 4 images, 4 of them from the cache"]
    assert [again.range([name]) for name in again.observers] == [first.range([name]) for name in first.observers]


@pytest.mark.parametrize("change", [{"images": photos(4, seed=1)}, {"method": Method.PERCENTILE}, {"cached": False}])
def test_anything_else_is(change: dict[str, object], program: ExportedProgram) -> None:
    calibrate(program, photos(4), report=lambda _: None)
    lines: list[str] = []
    options = {"images": photos(4), "method": Method.MSE, "cached": True} | change
    calibrate(program, report=lines.append, **options)  # type: ignore[arg-type]  # as given above
    assert lines[0] == "calibrating on 4 images"


def test_weights_alone_need_no_image(program: ExportedProgram, own_folder: Path) -> None:
    found = calibrate(program, photos(4), profile=Precision.INT8_WEIGHTS, report=lambda line: pytest.fail(line))
    assert found.observers == {}
    assert list(own_folder.iterdir()) == []
