"""Labelled images whose answers cost nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calib.preprocess import Preprocess
from calib.shards import open_shards
from evit_mobile.commands import counting
from evit_mobile.commands.counting import Source
from evit_mobile.images.data import everything
from evit_mobile.labels import Classes
from evit_mobile.reference import Reference, load_reference
from tests.calib.test_shards import write_tar


class Guesser:
    """A judge that tells a class from the mean of an image."""

    runtime = "a guess"

    def load(self, _path: Path) -> Any:
        return lambda images: np.stack([np.roll([3.0, 1.0, 0.5], int(100 * image.mean()) % 3) for image in images])


@pytest.fixture(params=["tars", "arrays"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    preprocess = Preprocess(size=(32, 32))
    if request.param == "tars":
        for number in range(2):
            write_tar(tmp_path / f"{number}.tar", range(50 * number, 50 * number + 50))
        opened: Any = open_shards(str(tmp_path))
    else:
        opened = everything(None, preprocess, 100)
    classes = Classes(logits=3 if request.param == "tars" else 10)
    if request.param == "arrays":
        monkeypatch.setattr(Guesser, "load", lambda *_: lambda images: np.eye(10)[np.arange(len(images)) % 10])
    found = Source(name="here", classes=classes, notes=(), opened=opened, preprocess=preprocess)
    entry = SimpleNamespace(outputs=(), sha256="0")
    monkeypatch.setattr(counting, "listed_artefacts", lambda path: (path, None, [entry]))
    monkeypatch.setattr(counting, "labelled_source", lambda *_: found)
    monkeypatch.setattr(counting, "judge_of", lambda _count: Guesser())
    return found


@pytest.fixture(scope="session")
def m0() -> Reference:
    """The bundled M0 for small images."""
    return load_reference("efficientvit_m0", size=(64, 64))
