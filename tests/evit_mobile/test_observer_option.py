"""--observer reaches the codes of the file that is written."""

from __future__ import annotations

from pathlib import Path

import pytest

import evit_mobile
from calib.methods import Method
from tests.few_images import few_images


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_another_observer_gives_another_file(tmp_path: Path) -> None:
    files, images = set(), few_images(tmp_path)
    for method in (Method.MSE, Method.PERCENTILE):
        out = tmp_path / method
        done = evit_mobile.convert(
            "efficientvit_m0",
            weights="random",
            size=(64, 64),
            formats=["tflite"],
            observer=method,
            calib=images,
            cache=False,
            golden=0,
            out=out,
        )
        assert done.manifest.request is not None
        assert done.manifest.request["observer"] == method
        files.add((out / done.manifest.artefacts[0].path).read_bytes())
    assert len(files) == 2
