"""Golden vectors: what is written is what apps need, and nothing altered, stale or half-written passes."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from calib.datasets import EncodedDataset
from calib.preprocess import Preprocess
from converters.contract import FloatType, Precision
from converters.errors import ArtefactError
from converters.files import sha256
from evit_mobile.images.data import Images, everything
from evit_mobile.record.manifest import GoldenEntry, Manifest
from evit_mobile.strict_json import plain
from evit_mobile.validation import golden
from evit_mobile.validation.golden import find_faults, read_golden, write_golden
from evit_mobile.validation.probabilities import softmax
from tests.manifests import artefact, input_of, of_model

CLASSES = 5
SIZE = (32, 64)
ARTEFACT = "tiny.fp32.tflite"
PREPROCESS = Preprocess(size=SIZE)


def reference(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits (B, CLASSES) that depend on every channel."""
    return images.mean((2, 3)) @ np.linspace(-1, 1, 3 * CLASSES, dtype=np.float32).reshape(3, CLASSES)


class FakeTarget:
    """Runs the reference, `error` off."""

    precisions = MappingProxyType(
        {precision: FloatType.FP16 if precision is Precision.FP16 else FloatType.FP32 for precision in Precision}
    )
    error = 0.0

    def missing(self) -> None:
        return None

    def load(self, _path: Path) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        return lambda images: reference(images) + np.float32(self.error)


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> FakeTarget:
    fake = FakeTarget()
    monkeypatch.setattr(golden, "find_target", lambda _name: fake)
    return fake


@cache
def encoded(width: int, height: int, *, seed: int, mode: str = "RGB", **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def held_out() -> Images:
    """A photo with alpha and a colour profile, a large one, and a small grey one."""
    files = (
        encoded(90, 70, seed=0, mode="RGBA", icc_profile=b"profile"),
        encoded(1100, 600, seed=1),
        encoded(28, 28, seed=2, mode="L"),
    )
    images = everything(None, PREPROCESS, len(files))
    return replace(images, dataset=EncodedDataset(source="test", encoded=files))


def manifest_in(folder: Path) -> Manifest:
    """That of one artefact, which is written too."""
    (folder / ARTEFACT).write_bytes(b"weights")
    entry = artefact(ARTEFACT, precision=Precision.FP32, sha256=sha256(folder / ARTEFACT))
    return replace(of_model(entry), input=input_of(PREPROCESS))


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return manifest_in(tmp_path)


@pytest.fixture(scope="module")
def bundle(held_out: Images, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A folder with a manifest's artefact and bundle, and the manifest."""
    folder = tmp_path_factory.mktemp("bundle")
    manifest = manifest_in(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden, "find_target", lambda _name: FakeTarget())
        digest = write_golden(manifest, folder, held_out, np.array([3, 1, 4]), 3, reference)
    return folder, replace(manifest, golden=GoldenEntry(path=golden.PATH, sha256=digest))


@pytest.fixture
def written(bundle: tuple[Path, Manifest], target: FakeTarget, tmp_path: Path) -> Manifest:  # noqa: ARG001  # artefacts are run
    """The manifest, its bundle beside it: a copy, which tests may damage."""
    folder, manifest = bundle
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return manifest


def document_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "golden" / "golden.json").read_text())
    return document


def vouching(manifest: Manifest, folder: Path, change: Callable[[dict[str, Any]], object]) -> Manifest:
    """The manifest, vouching for a golden.json that is altered."""
    document = document_of(folder)
    change(document)
    (folder / "golden" / "golden.json").write_text(json.dumps(document))
    return replace(manifest, golden=GoldenEntry(path=golden.PATH, sha256=sha256(folder / golden.PATH)))


def faults(manifest: Manifest, folder: Path) -> list[str]:
    bundle = read_golden(manifest, folder)
    assert bundle is not None
    return find_faults(bundle, manifest, [ARTEFACT], reference)


def test_what_is_written(written: Manifest, tmp_path: Path) -> None:
    document = document_of(tmp_path)
    assert document["schema"] == 1
    assert document["model"] == "tiny"
    assert document["input"] == plain(written.input)
    assert [item["label"] for item in document["images"]] == [3, 1, 4]
    assert [(item["width"], item["height"]) for item in document["images"]] == [(90, 70), (939, 512), (28, 28)]
    for item in document["images"]:
        image = Image.open(tmp_path / "golden" / item["image"])
        assert (image.mode, image.size, image.info) == ("RGB", (item["width"], item["height"]), {})
        tensor = np.fromfile(tmp_path / "golden" / item["tensor"], "<f4").reshape(3, *SIZE)
        assert np.array_equal(tensor, PREPROCESS(image))
        assert np.abs(np.float32(item["reference"]) - reference(tensor[None])[0]).max() < 1e-6
        assert item["sha256"] == sha256(tmp_path / "golden" / item["image"])
        assert item["tensor_sha256"] == sha256(tmp_path / "golden" / item["tensor"])
        pixels = np.fromfile(tmp_path / "golden" / item["pixels"], np.uint8).reshape(*SIZE, 3)
        assert np.array_equal(PREPROCESS.normalize(pixels), tensor)
        assert item["pixels_sha256"] == sha256(tmp_path / "golden" / item["pixels"])
    (entry,) = document["artefacts"].values()
    assert entry["sha256"] == written.artefacts[0].sha256
    assert np.array_equal(np.float32(entry["logits"]), np.float32([item["reference"] for item in document["images"]]))
    assert faults(written, tmp_path) == []


@pytest.mark.parametrize(
    ("precision", "share"),
    [
        (Precision.FP32, 1e-4),
        (Precision.INT8_WEIGHTS, 1e-4),
        (Precision.FP16, 1 / 64),
        (Precision.INT8, 1 / 64),
        (Precision.INT8_FULL, 1 / 32),
    ],
)
def test_tolerance_is_a_share_of_the_spread(precision: Precision, share: float, target: FakeTarget) -> None:
    logits = np.float32([[-3, 1], [0, 5]])
    assert math.isclose(golden.tolerance(logits, precision, target), 8 * share, rel_tol=0.01)  # type: ignore[arg-type]  # a fake


def test_an_artefact_that_is_not_the_manifests_or_gives_no_numbers_has_no_entry(
    manifest: Manifest, held_out: Images, target: FakeTarget, tmp_path: Path
) -> None:
    target.error = math.nan
    write_golden(manifest, tmp_path, held_out, None, 2, reference)
    assert document_of(tmp_path)["artefacts"] == {}
    assert [item["label"] for item in document_of(tmp_path)["images"]] == [None, None]
    target.error = 0
    (tmp_path / ARTEFACT).write_bytes(b"others")
    write_golden(manifest, tmp_path, held_out, None, 2, reference)
    assert document_of(tmp_path)["artefacts"] == {}


@pytest.mark.parametrize("name", ["00.png", "01.f32", "02.u8", "golden.json"])
@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_damaged_file_is_found(name: str, damage: str, written: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "golden" / name
    if damage == "missing":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    with pytest.raises(ArtefactError, match=name):
        read_golden(written, tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda document: document.update(schema=2), "schema 2"),
        (lambda document: document.update(model="other"), "other"),
        (lambda document: document["input"].update(mean=[0, 0, 0]), "model and input"),
        (lambda document: document["images"][0].update(image="../manifest.json"), "manifest.json"),
        (lambda document: document["images"][0].pop("tensor"), "tensor"),
        (lambda document: document.pop("images"), "images"),
    ],
)
def test_a_bundle_of_something_else_is_refused(
    change: Callable[[dict[str, Any]], object], named: str, written: Manifest, tmp_path: Path
) -> None:
    altered = vouching(written, tmp_path, change)
    with pytest.raises(ArtefactError, match=named):
        read_golden(altered, tmp_path)


def test_a_manifest_without_golden_vectors(manifest: Manifest, tmp_path: Path) -> None:
    assert read_golden(manifest, tmp_path) is None


def test_a_tensor_of_another_image_is_found(written: Manifest, tmp_path: Path) -> None:
    """Even with hashes that vouch for it."""

    def swap(document: dict[str, Any]) -> None:
        first, second, _ = document["images"]
        for key in ("tensor", "tensor_sha256"):
            first[key], second[key] = second[key], first[key]

    found = faults(vouching(written, tmp_path, swap), tmp_path)
    assert "01.f32 is not what 00.png becomes" in found
    assert any(text.startswith("logits of the reference") for text in found)


def test_pixels_of_another_image_are_found(written: Manifest, tmp_path: Path) -> None:
    """Even with hashes that vouch for them."""

    def swap(document: dict[str, Any]) -> None:
        first, second, _ = document["images"]
        for key in ("pixels", "pixels_sha256"):
            first[key], second[key] = second[key], first[key]

    assert faults(vouching(written, tmp_path, swap), tmp_path) == [
        "01.u8 is not what 00.png is cropped to",
        "00.u8 is not what 01.png is cropped to",
    ]


def test_a_bundle_of_an_earlier_release_has_no_pixels_nor_who_stated_what(written: Manifest, tmp_path: Path) -> None:
    def forget(document: dict[str, Any]) -> None:
        del document["input"]["stated_by"], document["input"]["notes"]
        for item in document["images"]:
            del item["pixels"], item["pixels_sha256"]

    assert faults(vouching(written, tmp_path, forget), tmp_path) == []


def test_probabilities_may_be_half_as_far_away_as_logits(
    manifest: Manifest, held_out: Images, target: FakeTarget, tmp_path: Path
) -> None:
    write_golden(manifest, tmp_path, held_out, None, 3, reference)
    limit = document_of(tmp_path)["artefacts"][ARTEFACT]["max_abs_error"]
    (entry,) = manifest.artefacts
    outputs = (replace(entry.outputs[0], name="probabilities"),)
    manifest = replace(manifest, artefacts=(replace(entry, outputs=outputs),))
    target.load = lambda _path: lambda images: softmax(reference(images))  # type: ignore[method-assign]  # a fake
    write_golden(manifest, tmp_path, held_out, None, 3, reference)
    (stored,) = document_of(tmp_path)["artefacts"].values()
    assert stored["max_abs_error"] == limit / 2
    assert np.allclose(np.sum(stored["logits"], 1), 1)


def test_logits_further_away_than_the_tolerance_are_found(
    written: Manifest, target: FakeTarget, tmp_path: Path
) -> None:
    limit = document_of(tmp_path)["artefacts"][ARTEFACT]["max_abs_error"]
    target.error = 0.9 * limit
    assert faults(written, tmp_path) == []
    target.error = 1.1 * limit
    assert [text.partition(":")[0] for text in faults(written, tmp_path)] == [f"logits of {ARTEFACT}"]
    target.error = math.nan
    assert faults(written, tmp_path) != []


def test_logits_of_another_file_are_found(written: Manifest, tmp_path: Path) -> None:
    altered = vouching(written, tmp_path, lambda document: document["artefacts"][ARTEFACT].update(sha256="0" * 64))
    assert faults(altered, tmp_path) == [f"its {ARTEFACT} is not the manifest's"]
    assert faults(replace(altered, artefacts=()), tmp_path) == [f"its {ARTEFACT} is not the manifest's"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_the_earlier_bundle(
    failure: BaseException,
    written: Manifest,
    held_out: Images,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_arguments: object) -> None:
        raise failure

    monkeypatch.setattr(golden, "artefact_entries", fail)  # the last step before golden.json: all images are written
    with pytest.raises(type(failure)):
        write_golden(written, tmp_path, held_out, None, 2, reference)
    assert {path.name for path in tmp_path.iterdir()} == {ARTEFACT, "golden"}
    assert faults(written, tmp_path) == []


def test_a_folder_of_the_users_own_is_not_replaced(tmp_path: Path) -> None:
    golden.check_place(tmp_path)
    (tmp_path / "golden").mkdir()
    with pytest.raises(ArtefactError, match="move it"):
        golden.check_place(tmp_path)
