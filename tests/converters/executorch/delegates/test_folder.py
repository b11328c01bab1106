"""A folder as bytes, as executorch itself writes and reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.errors import ArtefactError
from converters.executorch.delegates.coreml import PACKAGE, ROOT
from converters.executorch.delegates.folder import FILE, FOLDER, flatten, unflatten
from converters.files import sha256


def test_executorch_reads_our_folders_and_writes_the_same(tmp_path: Path) -> None:
    from executorch.backends.apple.coreml import executorchcoreml

    root = tmp_path / ROOT
    (root / PACKAGE / "Data").mkdir(parents=True)
    (root / PACKAGE / "Data" / "weights").write_bytes(bytes(range(256)))
    assert flatten(root) == executorchcoreml.flatten_directory_contents(str(root))
    (root / "metadata.json").write_text("{}")
    (root / PACKAGE / "empty").write_bytes(b"")
    for folder in ("copy", "other"):
        (tmp_path / folder).mkdir()
    unflatten(flatten(root), tmp_path / "copy")
    assert sha256(tmp_path / "copy" / ROOT) == sha256(root)
    with pytest.raises(ArtefactError, match="unpacked"):
        unflatten(flatten(root)[:-9], tmp_path / "other")


def test_contents_come_first_and_then_the_tree_backwards(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "b").mkdir(parents=True)
    (root / "b" / "c").write_bytes(b"123")
    (root / "a").write_bytes(b"\xff\x00")
    content = flatten(root)
    assert content[:5] == b"\xff\x00123"
    nodes = json.loads(content[5:][::-1])["nodes"]
    assert [(node["name"], node["kind"], node["children"]) for node in nodes] == [
        ("a", FILE, {}),
        ("c", FILE, {}),
        ("b", FOLDER, {"c": 1}),
        ("root", FOLDER, {"a": 0, "b": 2}),
    ]
    assert [node["dataRegion"] for node in nodes[:2]] == [{"offset": 0, "size": 2}, {"offset": 2, "size": 3}]


def test_names_beyond_ascii_and_folders_without_files(tmp_path: Path) -> None:
    root = tmp_path / "Gerät"
    (root / "leer").mkdir(parents=True)
    content = flatten(root)
    assert content.isascii()
    (tmp_path / "copy").mkdir()
    unflatten(content, tmp_path / "copy")
    assert (tmp_path / "copy" / "Gerät" / "leer").is_dir()
