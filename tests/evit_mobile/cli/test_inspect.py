"""`evit-mobile inspect`: a file is opened, of a folder the manifest is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.contract import Delegation, Fallback, Inspection
from evit_mobile.record.files import write_manifest
from tests.evit_mobile.cli.command_line import Handed, command
from tests.manifests import ARTEFACT, MANIFEST


@pytest.mark.parametrize("name", ["", "manifest.json"])
def test_a_folder_is_its_manifest(name: str, tmp_path: Path) -> None:
    write_manifest(MANIFEST, tmp_path)
    code, out, err = command("inspect", tmp_path / name, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == MANIFEST.to_json()
    assert "tiny, 10 classes, weights: file" in command("inspect", tmp_path / name).out


def test_a_file_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Delegation(
        delegate="XNNPACK",
        partitions=2,
        delegated_ops=9,
        total_ops=10,
        fallback=(Fallback(op="DIV", count=1, reason="float only", modules=("head",)),),
    )
    found = Inspection(
        inputs=ARTEFACT.inputs,
        outputs=ARTEFACT.outputs,
        operations={"CONV_2D": 4, "DIV": 1},
        dtypes={"float32": 7},
        bytes=1234,
        delegation=taken,
        modules={"head.0": {"DIV": 1}},
        notes=("a note",),
    )
    below = Handed(found)
    monkeypatch.setattr("evit_mobile.commands.inspect.inspect", below)
    code, out, err = command("inspect", tmp_path / "m0.tflite")
    assert (code, err) == (0, "reading m0.tflite")
    assert below.arguments == (tmp_path / "m0.tflite",)
    for words in (
        "m0.tflite",
        "1,234",
        "XNNPACK: 9 of 10 operations, partitions: 2",
        "outside XNNPACK",
        "head.0",
        "a note",
    ):
        assert words in out
    document = json.loads(command("inspect", tmp_path / "m0.tflite", "--json").out)
    assert document["path"] == str(tmp_path / "m0.tflite")
    assert document["modules"] == {"head.0": {"DIV": 1}}
    assert document["delegation"]["fallback"] == [
        {"op": "DIV", "count": 1, "reason": "float only", "modules": ["head"]}
    ]


def test_what_is_no_artefact_is_refused(tmp_path: Path) -> None:
    code, out, err = command("inspect", tmp_path / "none.tflite")
    assert (code, out) == (2, "")
    assert "none.tflite, which does not exist" in err
