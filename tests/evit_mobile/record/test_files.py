"""manifest.json on disk: whole, with the plans beside it, and refused by name where it is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError
from evit_mobile.record import files
from evit_mobile.record.files import read_manifest, write_manifest
from evit_mobile.record.manifest import FILE_NAME
from evit_mobile.record.plans import write_plan
from tests.manifests import MANIFEST, PLAN, artefact, of_model


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    manifest = replace(MANIFEST, labels=("\u00fc", "\u76ae\u5361\u4e18"))
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == read_manifest(str(tmp_path)) == manifest
    assert (tmp_path / FILE_NAME).read_bytes().isascii()  # whatever a system's own encoding is
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_manifest_that_cannot_be_written_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(MANIFEST, tmp_path)
    plan = write_plan(PLAN, Precision.INT8, tmp_path)

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_manifest(of_model(), tmp_path)
    assert read_manifest(tmp_path) == MANIFEST
    assert (tmp_path / plan).exists()


def test_a_plan_that_no_artefact_has_goes_with_its_entry(tmp_path: Path) -> None:
    plans = [write_plan(PLAN, precision, tmp_path) for precision in (Precision.INT8, Precision.A16W8)]
    write_manifest(of_model(artefact("a.tflite", plan=plans[1])), tmp_path)
    assert [(tmp_path / plan).exists() for plan in plans] == [False, True]


def test_a_plan_that_is_listed_and_not_there_stops_the_writing(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"plans/int8\.json"):
        write_manifest(of_model(artefact("a.tflite", plan="plans/int8.json")), tmp_path)
    assert not (tmp_path / FILE_NAME).exists()


def test_a_folder_without_one_says_what_to_pass(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            ArtefactError, match=rf"{folder.name} without a manifest\.json; .*pass that folder"
        ) as raised:
            read_manifest(folder)
        assert raised.value.exit_code == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{}", b'{"schema": 2'])
def test_a_damaged_one_says_to_convert_again(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ArtefactError, match=r"a manifest\.json that cannot be read \(.*convert again"):
        read_manifest(tmp_path)


def test_a_file_where_the_folder_should_be_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(ArtefactError, match=r"manifest\.json that cannot be read"):
        read_manifest(tmp_path / "model.tflite")


def test_what_is_wrong_inside_is_told_with_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"schema": 2}')
    with pytest.raises(ArtefactError, match=rf"got {tmp_path / FILE_NAME}: a manifest with nothing as model"):
        read_manifest(tmp_path)
