"""A written file as an object: what may be passed to it, and what the manifest beside it decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from calib.errors import DataError
from calib.preprocess import Preprocess
from converters.errors import ArtefactError, ToolchainError
from converters.files import sha256
from converters.registry import UnknownTargetError
from converters.tflite.target import TFLiteTarget
from evit_mobile.commands.load import LoadedArtefact, load, recorded
from evit_mobile.errors import UsageError
from evit_mobile.findings import SizeValidation
from evit_mobile.record.files import write_manifest
from tests.manifests import ARTEFACT, MANIFEST, PASSED, artefact, of_model


def means(images: np.ndarray) -> np.ndarray:
    """Stands for a runtime: the mean of each channel."""
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    return images.mean((2, 3))


def opened(**said: Any) -> LoadedArtefact:
    return LoadedArtefact(path=Path("a.tflite"), runtime="means", runner=means, **said)


IMAGES = np.random.default_rng(0).normal(size=(2, 3, 8, 6)).astype(np.float32)


@pytest.mark.parametrize(
    "images",
    [
        IMAGES,
        IMAGES.astype(np.float64),
        np.ascontiguousarray(IMAGES.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
        torch.from_numpy(IMAGES).requires_grad_(),
    ],
    ids=["float32", "float64", "strided", "tensor"],
)
def test_floats_are_passed_as_they_are(images: Any) -> None:
    assert opened()(images) == pytest.approx(IMAGES.mean((2, 3)), abs=1e-6)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (IMAGES[0], r"shape \(3, 8, 6\)"),
        (IMAGES[:, :1], r"shape \(2, 1, 8, 6\)"),
        (IMAGES[:0], r"shape \(0, 3, 8, 6\)"),
        (np.zeros((1, 3, 8, 6), np.uint8), "dtype uint8"),
    ],
)
def test_what_is_no_batch_of_floats(images: np.ndarray, got: str) -> None:
    with pytest.raises(UsageError, match=rf"{got}.*preprocessed floats \(N, 3, H, W\)"):
        opened()(images)


def test_another_size_than_the_files_is_refused() -> None:
    assert opened(sizes=((4, 4), (8, 6)))(IMAGES).shape == (2, 3)
    with pytest.raises(UsageError, match=r"images of 8x6 pixels for a\.tflite; allowed: 6x8 or 4x4"):
        opened(sizes=((6, 8), (4, 4)))(IMAGES)


def test_photos_are_preprocessed_as_the_manifest_says(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    preprocess = Preprocess(size=(32, 32))
    file = opened(preprocess=preprocess)
    expected = means(preprocess(pixels)[None])
    found = file([tmp_path / "photo.png", str(tmp_path / "photo.png"), Image.fromarray(pixels), pixels])
    assert found == pytest.approx(np.repeat(expected, 4, 0), abs=1e-6)
    (tmp_path / "photo.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"photo\.png"):
        file([tmp_path / "photo.png"])


@pytest.mark.parametrize("photos", ["photo.png", [], ()])
def test_photos_are_a_list_of_one_or_more(photos: Any) -> None:
    with pytest.raises(UsageError, match="a list of one photo or more"):
        opened(preprocess=Preprocess(size=(32, 32)))(photos)


def test_without_a_manifest_nobody_knows_how_photos_become_the_input() -> None:
    with pytest.raises(UsageError, match=r"photos for a\.tflite, without a manifest\.json that lists it"):
        opened()([np.zeros((9, 9, 3), np.uint8)])


def test_what_the_manifest_says_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tiny.tflite"
    path.write_bytes(b"file")
    assert recorded(path) == {}
    write_manifest(of_model(artefact("other.tflite")), tmp_path)
    assert recorded(path) == {}
    entry = replace(ARTEFACT, path=path.name, sha256=sha256(path))
    write_manifest(replace(MANIFEST, labels=tuple("abcdefghij"), artefacts=(entry,)), tmp_path)
    assert recorded(path) == {
        "labels": tuple("abcdefghij"),
        "preprocess": Preprocess(size=(32, 32)),
        "sizes": ((32, 32),),
    }
    sizes = tuple(SizeValidation(size=size, function="f", validation=PASSED) for size in ((32, 32), (64, 96)))
    write_manifest(replace(MANIFEST, artefacts=(replace(entry, sizes=sizes),)), tmp_path)
    assert recorded(path)["sizes"] == ((32, 32), (64, 96))
    path.write_bytes(b"another")
    with pytest.raises(ArtefactError, match=r"tiny\.tflite, whose sha256 differs from the manifest's"):
        recorded(path)


def test_a_file_is_opened_by_the_judge_that_is_named_or_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tflite"
    with pytest.raises(ArtefactError, match="does not exist"):
        load(path)
    path.write_bytes(b"not a model")
    with pytest.raises(ArtefactError, match=r"a\.tflite"):
        load(path)
    with pytest.raises(UnknownTargetError, match="judge 'coreml' for tflite"):
        load(path, on="coreml")
    monkeypatch.setattr(TFLiteTarget, "load", lambda *_: means)
    assert load(str(path), on="xnnpack")(IMAGES).shape == (2, 3)
    monkeypatch.setattr(TFLiteTarget, "missing", lambda _self: "install it")
    with pytest.raises(ToolchainError, match="an installed runtime; install it"):
        load(path, on="xnnpack")
