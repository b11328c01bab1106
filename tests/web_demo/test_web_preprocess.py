"""The browser demo's preprocessing equals Python's value by value: every filter, enlarging and shrinking, squashed and cropped."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from calib.preprocess import Interpolation, Preprocess, Resize
from converters.contract import Layout
from tests.web_demo.browser import WEB_DEMO

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
SIZES = [(28, 28), (97, 61), (480, 640), (640, 200), (33, 500), (192, 256)]
"""(height, width) in pixels of the images; the second last shrinks along one axis and grows along the other."""

SIDES = [(224, 224), (192, 256), (32, 33)]


def cases() -> list[tuple[NDArray[np.uint8], Preprocess, Layout]]:
    random = np.random.default_rng(0)
    found = []
    options = itertools.product(SIZES, SIDES, Resize, Interpolation)
    for number, ((height, width), size, resize, interpolation) in enumerate(options):
        noise = random.integers(0, 256, (height, width, 3), np.uint8)
        extremes = np.where(noise > 127, 255, 0).astype(np.uint8)  # overshoot of bicubic and lanczos is clipped
        preprocess = Preprocess(
            size=size,
            resize=resize,
            interpolation=interpolation,
            crop_pct=(1.0, 0.875, 0.95)[number % 3],
            mean=(0.1, 0.5, 0.9),
            std=(0.2, 1.0, 0.3),
        )
        found.append((extremes if number % 2 else noise, preprocess, tuple(Layout)[number % 2]))
    return found


def test_every_tensor_is_pythons(tmp_path: Path) -> None:
    listed: list[dict[str, Any]] = []
    for number, (pixels, preprocess, layout) in enumerate(cases()):
        name = f"{number:03}"
        (tmp_path / f"{name}.rgb").write_bytes(pixels.tobytes())
        shape = {"height": pixels.shape[0], "width": pixels.shape[1]}
        listed.append({"name": name, **shape, "input": preprocess.to_manifest(), "layout": layout})
    (tmp_path / "cases.json").write_text(json.dumps(listed))
    script = Path(__file__).with_name("preprocess.mjs")
    subprocess.run(["node", str(script), str(WEB_DEMO), str(tmp_path)], check=True)
    for case, (pixels, preprocess, layout) in zip(listed, cases(), strict=True):
        expected = preprocess(Image.fromarray(pixels))
        actual = np.fromfile(tmp_path / f"{case['name']}.f32", np.float32)
        channels_first = (
            actual.reshape(expected.shape)
            if layout is Layout.NCHW
            else actual.reshape(*expected.shape[1:], 3).transpose(2, 0, 1)
        )
        assert np.array_equal(channels_first, expected), (case, np.abs(channels_first - expected).max())
