"""Apps' own libraries on files of `convert --image-input --class-output`: MediaPipe Tasks and litert-cli, given the file and nothing else.

Opt-in: `make test-runtimes`, or `scripts/runtimes/prepare.sh FOLDER` and EVIT_MOBILE_RUNTIMES=FOLDER.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import evit_mobile
from calib import Bundled, open_bundled
from calib.preprocess import Preprocess
from converters.tflite.runtime import load_runner
from evit_mobile.models.build import build_model
from evit_mobile.record.files import read_manifest
from evit_mobile.spec import find_spec
from evit_mobile.strict_json import plain

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("EVIT_MOBILE_RUNTIMES", "missing"))
MEDIAPIPE, LITERT_CLI = FOLDER / "mediapipe-1.2.3", FOLDER / "litert-cli-0.2.1"
PROGRAMS = ROOT / "scripts" / "runtimes"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="EVIT_MOBILE_RUNTIMES names no prepared folder"),
]

IMAGES = 40
CLASSIFIERS = [
    ("efficientvit_m0", "fp32"),
    ("efficientvit_m0", "int8"),
    ("efficientvit_m0", "int8-full"),
    ("efficientvit_b0", "int8"),
]
STREET = tuple(f"thing {number}" for number in range(19))
SIDE = 128


def run(*command: object) -> str:
    """What a program prints. Raises CalledProcessError with its words."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=CLASSIFIERS, ids=lambda pair: " ".join(pair))
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundled model's file, as the command line writes it."""
    name, precision = request.param
    folder = tmp_path_factory.mktemp("classifier")
    options: dict[str, Any] = {"image_input": True, "class_output": True, "formats": ["tflite"]}
    evit_mobile.convert(name, weights="bundled", precision=precision, out=folder, golden=0, **options)
    return folder / f"{name}.{precision}.tflite"


def preprocess_of(path: Path) -> Preprocess:
    return Preprocess.from_manifest(plain(read_manifest(path.parent).input))


def photos(path: Path) -> NDArray[np.uint8]:
    """(images, H, W, 3): test images, as large as the network takes them."""
    dataset, preprocess = open_bundled(Bundled.TEST), preprocess_of(path)
    pictures = [Image.fromarray(np.asarray(dataset.item(index))).convert("RGB") for index in range(IMAGES)]
    return np.stack([preprocess.pixels(picture) for picture in pictures])


def litert(path: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the file gives in LiteRT."""
    normalize = preprocess_of(path).normalize
    return load_runner(path)(np.stack([normalize(image) for image in pixels]))


def test_mediapipe_classifies_by_name(classifier: Path, tmp_path: Path) -> None:
    pixels, names = photos(classifier), read_manifest(classifier.parent).labels
    np.save(tmp_path / "pixels.npy", pixels)
    found = json.loads(
        run(MEDIAPIPE / "bin" / "python", PROGRAMS / "mediapipe_classify.py", classifier, tmp_path / "pixels.npy")
    )
    expected = litert(classifier, pixels)
    for categories, probabilities in zip(found, expected, strict=True):
        assert all(name == names[index] for name, index, _ in categories)
        scores = np.array([score for _, _, score in sorted(categories, key=lambda one: one[1])])
        assert (
            scores[probabilities.argmax()] == scores.max()
        )  # 8-bit logits tie: of equal classes either may come first
        assert np.abs(scores - probabilities[sorted(one[1] for one in categories)]).max() < 0.05


def test_litert_cli_takes_a_photo(classifier: Path, tmp_path: Path) -> None:
    dataset, pixels = open_bundled(Bundled.TEST), photos(classifier)
    assert dataset.labels is not None
    expected, right = litert(classifier, pixels).argmax(1), 0
    for index in range(5):
        photo = tmp_path / f"{index}.png"
        Image.fromarray(pixels[index]).save(photo)
        command = ("run", classifier, "--input", photo, "--print-tensors", "--sample-size", "10")
        printed = run(LITERT_CLI / "bin" / "litert", *command)
        (values,) = re.findall(r"probabilities[^\[]*\[1, 10\]\):\s*\[([^\]]*)\]", printed)
        best = int(np.array(values.split(), float).argmax())
        assert best == expected[index]
        right += best == dataset.labels[index]
    assert right >= 4


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A segmentation model with random weights and norms, whose checkpoint names its classes."""
    folder = tmp_path_factory.mktemp("segmenter")
    name, weights = "efficientvit_seg_b0_cityscapes", folder / "street.pth"
    torch.manual_seed(0)
    model = build_model(find_spec(name, size=(SIDE, SIDE)))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0, 0.1)
    torch.save({"state_dict": model.state_dict(), "class_names": list(STREET)}, weights)
    options: dict[str, Any] = {"image_input": True, "class_output": True, "formats": ["tflite"], "size": (SIDE, SIDE)}
    evit_mobile.convert(name, weights=str(weights), precision="fp32", out=folder / "out", **options)
    return folder / "out" / f"{name}.fp32.tflite"


def test_mediapipe_segments_by_name(segmenter: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    masks = tmp_path / "masks.npy"
    command = (PROGRAMS / "mediapipe_segment.py", segmenter, tmp_path / "pixels.npy", masks)
    assert json.loads(run(MEDIAPIPE / "bin" / "python", *command)) == list(STREET)
    found, expected = np.load(masks), litert(segmenter, pixels)
    assert np.abs(found.sum(1) - 1).max() < 1e-3  # probabilities, in the file
    for image, maps in zip(found, expected, strict=True):
        resized = np.stack(
            [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for one in maps]
        )
        assert (image.argmax(0) == resized.argmax(0)).mean() > 0.99
