"""Each precision has its plan, in a file of its own; that of an older manifest is not lost."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError
from evit_mobile.record.files import read_manifest, write_manifest
from evit_mobile.record.manifest import FILE_NAME, Manifest
from evit_mobile.record.plans import read_plan, write_plan
from tests.manifests import PLAN, SCHEMA_1, artefact, of_model


def planned(folder: Path, *precisions: Precision) -> Manifest:
    """A manifest of an artefact per precision, the plans in `folder`."""
    entries = [
        artefact(f"a.{precision}.tflite", precision=precision, plan=write_plan(PLAN, precision, folder))
        for precision in precisions
    ]
    return of_model(*entries)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = read_plan(tmp_path, write_plan(PLAN, Precision.INT8, tmp_path))
    assert plan.profile is Precision.INT8
    assert (plan.activations, plan.weights, plan.float) == (PLAN.activations, PLAN.weights, PLAN.floats)


def test_each_precision_keeps_its_plan_as_long_as_its_files_are_listed(tmp_path: Path) -> None:
    manifest = planned(tmp_path, Precision.INT8, Precision.INT8_FULL)
    write_manifest(manifest, tmp_path)
    assert {path.name for path in (tmp_path / "plans").iterdir()} == {"int8.json", "int8-full.json"}
    (tmp_path / "plans" / "mine.json").touch()
    write_manifest(replace(manifest, artefacts=manifest.artefacts[:1]), tmp_path)
    assert {path.name for path in (tmp_path / "plans").iterdir()} == {"int8.json", "mine.json"}


def test_the_plan_of_schema_1_is_read_and_gets_a_file(tmp_path: Path) -> None:
    shutil.copyfile(SCHEMA_1, tmp_path / FILE_NAME)
    manifest = read_manifest(tmp_path)
    before = read_plan(tmp_path, "plans/int8.json")
    assert len(before.activations) == len(before.weights) == len(before.float) == 2
    write_manifest(manifest, tmp_path)
    assert json.loads((tmp_path / FILE_NAME).read_text())["schema"] == 2
    assert read_plan(tmp_path, "plans/int8.json") == before


@pytest.mark.parametrize("content", ["{", "[]", '{"profile": "int8"}', None])
def test_a_plan_that_is_none_is_refused(content: str | None, tmp_path: Path) -> None:
    write_manifest(planned(tmp_path, Precision.INT8), tmp_path)
    path = tmp_path / "plans" / "int8.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ArtefactError, match=r"int8\.json"):
        read_plan(tmp_path, "plans/int8.json")


def test_a_plan_of_another_precision_is_refused(tmp_path: Path) -> None:
    write_plan(PLAN, Precision.INT8, tmp_path)
    (tmp_path / "plans" / "int8.json").rename(tmp_path / "plans" / "int8-full.json")
    with pytest.raises(ArtefactError, match=r"int8-full\.json with a plan for int8"):
        read_plan(tmp_path, "plans/int8-full.json")
