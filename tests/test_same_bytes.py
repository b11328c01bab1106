"""scripts/same_bytes.py: what is equal is called so, and one changed byte, file or weight is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "same_bytes.py"
SPEC = spec_from_file_location("same_bytes", SCRIPT)
assert SPEC is not None
assert SPEC.loader is not None
same_bytes = module_from_spec(SPEC)
sys.modules["same_bytes"] = same_bytes  # its dataclass looks there
SPEC.loader.exec_module(same_bytes)


def package(folder: Path, **files: bytes) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_planted_differences_are_named(tmp_path: Path) -> None:
    old = package(tmp_path / "old", model=b"abcdef", weights=b"123")
    same = package(tmp_path / "same", model=b"abcdef", weights=b"123")
    byte = package(tmp_path / "byte", model=b"abXdef", weights=b"123")
    longer = package(tmp_path / "longer", model=b"abcdefg", weights=b"123")
    other = package(tmp_path / "other", model=b"abcdef", more=b"123")
    assert same_bytes.differences(old, same) == []
    assert same_bytes.differences(old, byte) == ["model, 6 and 6 bytes, 1 differ, the first at 2"]
    assert same_bytes.differences(old, longer) == ["model, 6 and 7 bytes, one ends at 6"]
    assert same_bytes.differences(old, other) == ["more only in NEW", "weights only in OLD"]
    assert same_bytes.differences(old / "model", byte / "model") != []


def test_what_is_missing_is_no_equality(tmp_path: Path) -> None:
    file = tmp_path / "m0.tflite"
    file.write_bytes(b"x")
    assert same_bytes.compare({"a": file}, {"a": file}, 1) == [("a", [])]
    assert same_bytes.compare({"a": file}, {}, 1) == [("a", ["only OLD wrote it"])]
    assert same_bytes.compare({"a": file}, {"a": file}, 3)[1:] == [("2 of 3", ["neither wrote them"])]
    assert same_bytes.compare({}, {}, 1) == [("1 of 1", ["neither wrote them"])]


def ran(old: Path, new: Path, kept: Path) -> tuple[int, str]:
    """Exit code, and how a small .tflite file of two checkouts compares."""
    asked = ["--models", "efficientvit_m0", "--size", "64", "--only", "fp32", "--formats", "tflite", "--images", "16"]
    command = [sys.executable, str(SCRIPT), str(old), str(new), *asked, "--kept", str(kept)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split()[0]


@pytest.mark.slow
def test_a_planted_weight_is_found(tmp_path: Path) -> None:
    """The same code under another name writes the same bytes; with one weight of the model changed it does not."""
    same, changed = tmp_path / "same", tmp_path / "changed"
    for checkout in (same, changed):
        checkout.mkdir()
        for package in ("calib", "converters", "evit_mobile"):
            (checkout / package).symlink_to(ROOT / package)
    (changed / "evit_mobile").unlink()
    shutil.copytree(ROOT / "evit_mobile", changed / "evit_mobile")
    weights = changed / "evit_mobile" / "weights" / "efficientvit_m0.fashion_mnist.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0x40
    weights.write_bytes(content)
    assert ran(ROOT, same, tmp_path / "kept") == (0, "same")
    assert ran(same, changed, tmp_path / "kept") == (1, "DIFFERS")
