"""The Python API: its names, what importing it costs, running a written file with `load`, and every example of docs/python.md."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evit_mobile
from calib import Bundled, DataError, Preprocess, open_bundled
from converters.contract import Precision
from converters.errors import ArtefactError
from converters.files import sha256
from converters.registry import UnknownTargetError, find_target
from evit_mobile import UsageError, load
from evit_mobile.record.files import write_manifest
from tests.interface_models import LABELS, METADATA, PREPROCESS, SIZE, classifier, photos, program_of, tensors
from tests.manifests import artefact, input_of, of_model
from tests.test_architecture import loaded_after

SOURCE = Path(evit_mobile.__file__).read_text("utf-8")
PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text("utf-8")
BLOCKS = [re.sub("^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.M)]
FUNCTIONS = {
    "convert",
    "compile",
    "validate",
    "evaluate",
    "inspect",
    "sensitivity",
    "profile",
    "compare",
    "load",
    "read_manifest",
    "publish",
    "sweep",
    "best",
}


def test_the_api_has_these_functions_and_their_types() -> None:
    """A name that is taken away breaks callers: this list only grows."""
    assert set(evit_mobile.__all__) == FUNCTIONS | {
        *("__version__", "ConvertRequest", "Precision", "Settings", "EvitMobileError", "UsageError"),
        *(
            "Conversion",
            "Compilation",
            "FolderValidation",
            "Validation",
            "Verdict",
            "Evaluation",
            "Inspection",
            "Sensitivity",
        ),
        *("LoadedArtefact", "Publication", "ArtefactEntry", "Manifest", "Sweep", "Best", "Pieces"),
    }
    assert all(f"`{name}(" in PAGE for name in FUNCTIONS)
    assert all(getattr(evit_mobile, name).__name__ == name for name in evit_mobile.__all__ if name != "__version__")
    with pytest.raises(AttributeError, match="no attribute 'convrt'"):
        _ = evit_mobile.convrt


def test_type_checkers_see_the_same_names() -> None:
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == evit_mobile._HOMES


def test_what_reads_and_runs_files_needs_no_torch() -> None:
    names = "load, inspect, compare, read_manifest, ConvertRequest, Settings, UsageError, Verdict"
    assert "torch" not in loaded_after(f"from evit_mobile import {names}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small classifier in two precisions and the manifest of the second alone."""
    folder = tmp_path_factory.mktemp("release")
    target = find_target("tflite")
    for precision, int8 in ((Precision.FP32, False), (Precision.INT8, True)):
        target.lower(program_of(classifier(), int8=int8), precision, folder / f"small.{precision}.tflite", METADATA)
    entry = artefact("small.int8.tflite", sha256=sha256(folder / "small.int8.tflite"))
    write_manifest(replace(of_model(entry), input=input_of(PREPROCESS), labels=LABELS), folder)
    return folder


def test_floats_of_numpy_and_torch_give_logits(folder: Path) -> None:
    model = load(folder / "small.fp32.tflite")
    images = tensors()
    logits = model(images)
    with torch.no_grad():
        expected = classifier()(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_array_equal(model(torch.from_numpy(images).requires_grad_()), logits)
    assert (model.labels, model.preprocess, model.sizes) == ((), None, ())


def test_photos_are_preprocessed_as_the_manifest_says(folder: Path, tmp_path: Path) -> None:
    model = load(str(folder / "small.int8.tflite"))
    expected = model(tensors(2))
    arrays = list(photos(2))
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f"{number}.png")
    paths = [str(tmp_path / "0.png"), tmp_path / "1.png"]
    for given in (arrays, [Image.fromarray(array) for array in arrays], paths):
        np.testing.assert_array_equal(model(given), expected)
    assert (model.labels, model.preprocess, model.sizes) == (LABELS, PREPROCESS, (SIZE,))
    assert isinstance(model.preprocess, Preprocess)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 3, 32, 32), np.float32), "32x32 pixels .* 16x24"),
        (np.zeros((3, *SIZE), np.float32), "photos"),
        (np.zeros((1, *SIZE, 3), np.float32), "photos"),
        (np.zeros((1, 3, *SIZE), np.uint8), "uint8"),
        (np.zeros((0, 3, *SIZE), np.float32), "photos"),
        ("a.png", "one photo or more"),
        ([], "one photo or more"),
    ],
)
def test_other_images_are_refused(images: object, message: str, folder: Path) -> None:
    with pytest.raises(UsageError, match=message):
        load(folder / "small.int8.tflite")(images)  # type: ignore[arg-type]  # that is the point


def test_what_cannot_be_loaded_is_explained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="floats"):
        load(folder / "small.fp32.tflite")([photos(1)[0]])
    with pytest.raises(DataError, match=r"nowhere\.png"):
        load(folder / "small.int8.tflite")(["nowhere.png"])
    with pytest.raises(ArtefactError, match="does not exist"):
        load(folder / "nothing.tflite")
    with pytest.raises(UnknownTargetError, match="judge 'moon'"):
        load(folder / "small.int8.tflite", on="moon")
    for name in ("manifest.json", "small.int8.tflite"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "small.int8.tflite").write_bytes((folder / "small.fp32.tflite").read_bytes())
    with pytest.raises(ArtefactError, match="sha256 differs"):
        load(tmp_path / "small.int8.tflite")


@pytest.mark.slow
def test_the_examples_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_bundled(Bundled.TEST)
    assert dataset.labels is not None
    pixels = np.stack([np.asarray(dataset.item(index)) for index in range(64)])
    np.savez(tmp_path / "labelled.npz", images=pixels, labels=dataset.labels[:64])
    for number in range(2):
        (tmp_path / "photos" / str(number)).mkdir(parents=True)
        Image.fromarray(pixels[number]).save(tmp_path / "photos" / str(number) / f"{number:02}.png")
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) == 6
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(block, names)
