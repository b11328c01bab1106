"""A real cell: converted, judged, evaluated, found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import evit_mobile
from calib.sources.bundled import Bundled, open_bundled
from converters.files import sha256


@pytest.mark.slow
def test_a_sweep_of_one_real_cell(tmp_path: Path) -> None:
    test_set, count = open_bundled(Bundled.TEST), 32
    images = np.stack([np.asarray(test_set.item(index)) for index in range(count)])
    np.savez(tmp_path / "labelled.npz", images=images, labels=np.asarray(test_set.labels)[:count])
    plan = {
        "models": ["efficientvit_m0"],
        "sizes": [64],
        "precisions": ["fp32"],
        "formats": ["tflite"],
        "options": {"golden": 0},
        "evaluate": {"images": str(tmp_path / "labelled.npz"), "reference": True},
    }
    lines: list[str] = []
    swept = evit_mobile.sweep(plan, out=tmp_path / "sweep", report=lines.append)
    assert swept.proven
    assert any("validating efficientvit_m0.fp32.tflite" in line for line in lines)
    (cell,) = swept.cells
    assert cell.memory_bytes > 1e8
    folder = tmp_path / "sweep" / "cells" / cell.name
    manifest = evit_mobile.read_manifest(folder)
    assert manifest.proven
    assert sha256(folder / manifest.artefacts[0].path) == manifest.artefacts[0].sha256

    lines.clear()
    assert evit_mobile.sweep(plan, out=tmp_path / "sweep", report=lines.append) == swept
    assert lines == ["reading weights and images"]
    (best,) = evit_mobile.best(tmp_path / "sweep", max_drop=0.5).chosen
    assert best.lost_points == 0
    assert best.accuracy is not None

    from pyarrow import parquet

    (row,) = parquet.read_table(tmp_path / "sweep" / "results.parquet").to_pylist()
    assert row["evaluated_images"] == count
    assert row["sha256"] == manifest.artefacts[0].sha256
