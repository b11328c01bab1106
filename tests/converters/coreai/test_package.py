"""Assets are checked by us before Apple's code sees them. None of it needs Apple's wheels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.coreai import package, runtime
from converters.coreai.inspect import inspect
from converters.errors import ArtefactError


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


FAULTS: dict[str, Callable[[Path], object]] = {
    "a bit of the program": lambda path: flip(path / package.PROGRAM),
    "a bit of the hash": lambda path: flip(path / package.HASH),
    "a program cut short": lambda path: os.truncate(path / package.PROGRAM, 60),
    "no program": lambda path: (path / package.PROGRAM).unlink(),
    "another kind of program": lambda path: (path / package.PROGRAM).write_bytes(b"bitcode"),
    "a foreign member": lambda path: (path / "main-universal.odix").touch(),
    "metadata that is no JSON": lambda path: (path / package.METADATA).write_text("{"),
    "metadata of a list": lambda path: (path / package.METADATA).write_text("[]"),
    "metadata of another version": lambda path: (path / package.METADATA).write_text('{"assetVersion": "3.0"}'),
    "own metadata that is no object": lambda path: (path / package.METADATA).write_text(
        json.dumps({"assetVersion": "2.0", package.OWN: "x"})
    ),
}


def test_a_sound_asset_is_read(asset: Path) -> None:
    assert package.read(asset).own == {"labels": ["a"]}


@pytest.mark.parametrize("fault", FAULTS)
def test_damage_is_refused_before_outside_code_sees_it(
    fault: str, asset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr("converters.coreai.child.subprocess.Popen", never)
    FAULTS[fault](asset)
    for reader in (runtime.load, inspect):
        with pytest.raises(ArtefactError, match=r"a\.aimodel"):
            reader(asset)


def test_a_missing_asset_and_a_file_are_no_asset(tmp_path: Path) -> None:
    (tmp_path / "a.aimodel").write_bytes(package.MAGIC)
    for name in ("a.aimodel", "gone.aimodel"):
        with pytest.raises(ArtefactError, match=rf"members none in .*{name}; allowed: just main\.mlirb, main\.hash"):
            package.read(tmp_path / name)


def test_own_metadata_may_be_left_out(asset: Path) -> None:
    (asset / package.METADATA).write_text(json.dumps({"assetVersion": "2.0"}))
    assert package.read(asset).own == {}


def test_the_clock_and_the_order_of_keys_leave_the_metadata(asset: Path) -> None:
    written = []
    for content in (
        {"b": "K\u00fcrbis", "a": 1, "creationDate": "today"},
        {"creationDate": "now", "a": 1, "b": "K\u00fcrbis"},
    ):
        (asset / package.METADATA).write_text(json.dumps(content))
        package.make_reproducible(asset)
        written.append((asset / package.METADATA).read_bytes())
    assert written[0] == written[1]
    assert json.loads(written[0]) == {"a": 1, "b": "K\u00fcrbis", "creationDate": "19800101T000000Z"}
    assert "K\u00fcrbis".encode() in written[0]


def test_functions_of_images_are_not_of_tensors() -> None:
    assert package.of_tensors(["main"]) == ["main"]
    assert package.of_tensors(["main", "pixels_main"]) == ["pixels_main"]
    assert package.of_tensors(["size_4x6", "size_6x4"]) == ["size_4x6", "size_6x4"]
