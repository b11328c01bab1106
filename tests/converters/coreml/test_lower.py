"""From an exported program to a package: what the artefact and the file say, the same bytes again, and nothing after a failure."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Layout, Metadata, Precision
from converters.coreml import package
from converters.coreml.evaluator import Evaluator
from converters.coreml.lower import check_functions, lower
from converters.coreml.options import OptionError, Options
from converters.errors import ToolchainError
from converters.files import sha256, size_bytes
from converters.interface import Function
from tests.converters.coreml.coreml_programs import FeedForward, Lambda, export, write
from tests.converters.coreml.int8_packages import of_kind

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "p.mlpackage"
    write(export(nn.Sequential(FeedForward(6), nn.Conv2d(6, 9, 3)), X), path)
    return path


def test_artefact_describes_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "m.fp16.mlpackage"
    artefact = write(export(FeedForward(6), X), path)
    assert (artefact.format, artefact.precision, artefact.path) == ("coreml", Precision.FP16, path)
    assert (artefact.bytes, artefact.sha256) == (size_bytes(path), sha256(path))
    (image,), (logits,) = artefact.inputs, artefact.outputs
    assert (image.name, image.shape, image.dtype, image.layout) == ("image", (1, 6, 5, 5), "float32", Layout.NCHW)
    assert (logits.name, logits.shape, logits.dtype) == ("logits", (1, 6, 5, 5), "float32")
    assert set(artefact.toolchain) == {"coremltools", "torch"}


def test_metadata_is_in_the_file(tmp_path: Path) -> None:
    metadata = Metadata(
        description="What it is",
        author="Who",
        license="Apache-2.0",
        version="1.2",
        labels=("cat", "dog"),
        extra={"k": "v"},
    )
    lower([Function(program=export(FeedForward(6), X))], Precision.FP16, tmp_path / "p.mlpackage", metadata)
    description = package.read(tmp_path / "p.mlpackage").specification.description
    written = description.metadata
    assert (written.shortDescription, written.author) == ("What it is", "Who")
    assert (written.license, written.versionString) == ("Apache-2.0", "1.2")
    assert json.loads(written.userDefined["labels"]) == ["cat", "dog"]
    assert (written.userDefined["k"], written.userDefined["precision"]) == ("v", "fp16")
    assert [feature.name for feature in (*description.input, *description.output)] == ["image", "logits"]
    assert all(feature.shortDescription for feature in (*description.input, *description.output))


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.FP32])
def test_same_program_gives_the_same_bytes(precision: Precision, tmp_path: Path) -> None:
    program = export(FeedForward(6), X)
    first, second = (write(program, tmp_path / name / "p.mlpackage", precision) for name in "ab")
    assert first.sha256 == second.sha256


def test_failed_write_leaves_the_old_file_and_nothing_else(original: Path, tmp_path: Path) -> None:
    path = Path(shutil.copytree(original, tmp_path / "p.mlpackage"))
    with pytest.raises(ToolchainError):
        write(export(nn.Softplus(), X), path)
    assert [file.name for file in tmp_path.iterdir()] == ["p.mlpackage"]
    assert sha256(path) == sha256(original)


def test_a_failure_of_coremltools_is_an_error_of_ours_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("BlobWriter not loaded")

    monkeypatch.setattr("coremltools.convert", fail)
    with pytest.raises(ToolchainError, match=r"a failure of coremltools, RuntimeError: BlobWriter not loaded"):
        write(export(FeedForward(6), X), tmp_path / "p.mlpackage")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(release=17), r"several input sizes for iOS 17; allowed: .* from iOS 18 on"),
        (Options(classes=True), r"several input sizes with class labels as output"),
    ],
)
def test_what_several_functions_cannot_have_is_refused(options: Options, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        check_functions(options)


@pytest.mark.parametrize("options", [Options(), Options(release=18)])
def test_what_they_can_have_is_not(options: Options) -> None:
    check_functions(options)


@pytest.mark.parametrize(
    ("precision", "release", "words"),
    [(Precision.FP32, 17, "iOS 17"), (Precision.FP16_PALETTE6, None, "iOS 18")],
)
def test_the_artefact_says_the_oldest_ios(
    precision: Precision, release: int | None, words: str, tmp_path: Path
) -> None:
    found = write(export(nn.Conv2d(6, 2, 1), X), tmp_path / "p.mlpackage", precision, minimum_ios=release)
    assert found.oldest_runtime == words


@pytest.mark.parametrize(("precision", "tables"), [(Precision.INT8, 1), (Precision.FP16, 0)])
@torch.no_grad()
def test_compressed_programs_store_repeated_values_as_indices(
    precision: Precision, tables: int, tmp_path: Path
) -> None:
    bias = torch.arange(49.0).repeat(49).view(1, 1, 49, 49)
    image = torch.randn(1, 1, 49, 49, generator=torch.Generator().manual_seed(1))
    module = Lambda(lambda x, bias: x + bias, bias)
    program = export(module, image)
    write(program, tmp_path / "p.mlpackage", precision)
    found = of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "constexpr_lut_to_dense")
    assert len(found) == tables
    half = (image.half() + bias.half()).float().numpy()
    np.testing.assert_array_equal(Evaluator(tmp_path / "p.mlpackage")(image.numpy()), half)
