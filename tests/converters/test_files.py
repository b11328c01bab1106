"""Nothing half-written carries a final name, and a hash is of everything that was written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from converters.files import atomic_path, sha256, size_bytes, write_bytes


def folder(path: Path, **members: bytes) -> Path:
    for name, content in members.items():
        member = path / name.replace("__", "/")
        member.parent.mkdir(parents=True, exist_ok=True)
        member.write_bytes(content)
    return path


def test_a_file_appears_whole_with_its_suffix_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.tflite"
    with atomic_path(path) as temporary:
        assert temporary.suffix == ".tflite"
        temporary.write_bytes(b"content")
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert [one.name for one in path.parent.iterdir()] == ["a.tflite"]


def test_a_package_replaces_the_whole_of_the_old_one(tmp_path: Path) -> None:
    path = folder(tmp_path / "a.mlpackage", old=b"1", deep__old=b"2")
    with atomic_path(path) as temporary:
        folder(temporary, new=b"3")
        assert (path / "old").exists()
    assert [one.name for one in path.rglob("*")] == ["new"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["disk full", "Ctrl-C"])
def test_a_failure_leaves_what_was_there_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "a.pte"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.pte"]


def test_nothing_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a.pte"):
        pass
    assert not list(tmp_path.iterdir())


def test_bytes_replace_a_file(tmp_path: Path) -> None:
    for content in (b"first", b""):
        write_bytes(tmp_path / "a", content)
        assert (tmp_path / "a").read_bytes() == content


def test_sizes_and_hashes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert size_bytes(tmp_path / "a") == 3
    assert (
        sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )  # FIPS 180-2, B.1


def test_the_hash_of_a_package_is_of_names_and_contents_in_their_order(tmp_path: Path) -> None:
    package = folder(tmp_path / "p", b=b"12", a__c=b"3")
    (package / "empty").mkdir()
    assert size_bytes(package) == 3
    framed = b"".join(len(part).to_bytes(8, "little") + part for part in (b"a/c", b"3", b"b", b"12"))
    assert sha256(package) == hashlib.sha256(framed).hexdigest()
    others = ({"b": b"1", "a__c": b"23"}, {"b": b"12", "a__d": b"3"}, {"b": b"12", "c": b"3"}, {"b": b"12"})
    hashes = {sha256(folder(tmp_path / str(number), **members)) for number, members in enumerate(others)}
    assert len(hashes | {sha256(package)}) == 5
