"""What is said of a file is read from the file and from what is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from converters.contract import Precision, TensorSpec
from converters.files import sha256
from converters.written import written

IMAGE = TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="float32")
LOGITS = TensorSpec(name="logits", shape=(1, 10), dtype="float32")


def test_a_file_is_measured_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(b"12345")
    artefact = written(
        path,
        format="tflite",
        precision=Precision.INT8,
        inputs=(IMAGE,),
        outputs=(LOGITS,),
        packages=("numpy", "torch"),
        oldest_runtime="LiteRT 1",
    )
    assert (artefact.bytes, artefact.sha256, artefact.path) == (5, sha256(path), path)
    assert artefact.toolchain == {"numpy": version("numpy"), "torch": version("torch")}
    assert (artefact.inputs, artefact.outputs, artefact.oldest_runtime) == ((IMAGE,), (LOGITS,), "LiteRT 1")
    assert (artefact.soc, artefact.reproducible) == (None, True)


@pytest.mark.parametrize(("name", "package"), [("gone", "numpy"), ("a", "no-such-package")])
def test_neither_a_file_nor_a_package_is_made_up(name: str, package: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    with pytest.raises((FileNotFoundError, PackageNotFoundError)):
        written(tmp_path / name, format="x", precision=Precision.FP32, inputs=(), outputs=(), packages=(package,))
