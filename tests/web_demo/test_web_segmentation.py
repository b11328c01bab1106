"""A segmentation model in the browser: shares and colours are those of the classes that LiteRT gives in Python."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib.preprocess import Preprocess
from converters.registry import find_target
from examples import segmentation_in_the_browser as example
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, DONE, PREDICTED, manifest_of, page

pytestmark = BROWSER_TEST

LEVELS = 3
"""Of 255, by which a drawn pixel may miss its colour: it is rounded, and the picture below it is taken off again."""

COLOURS = """(() => {
  const canvas = document.getElementById('preview');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.width, canvas.height, Array.from(data)];
})()"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return example.write(tmp_path_factory.mktemp("segmentation"))


def test_a_picture_is_shown_in_the_colours_of_its_classes(browser: Browser, folder: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 9, 3), np.uint8)
    photo = Image.fromarray(pixels).resize((256, 128), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "photo.png")
    preprocess = Preprocess.from_manifest(manifest_of(folder)["input"])
    (logits,) = find_target("tflite").load(folder / f"{example.MODEL}.fp32.tflite")(preprocess(photo)[None])
    classes = logits.argmax(0)
    with page(browser, folder, DONE):
        browser.call("upload", "#file", str(tmp_path / "photo.png"))
        browser.call("wait", PREDICTED)
        shown = browser.call("text", "#predictions").split("\n")
        width, height, rgba = browser.call("evaluate", COLOURS)
        assert browser.call("text", "#result-title") == "Top 5 by share of the picture"
    labels = manifest_of(folder)["labels"] or [f"class {index}" for index in range(len(logits))]
    largest = sorted(Counter(classes.flat).items(), key=lambda item: (-item[1], item[0]))[:5]
    assert shown[::2] == [labels[index] for index, _ in largest]
    assert shown[1::2] == [f"{100 * count / classes.size:.1f} %" for _, count in largest]
    assert (width, height) == preprocess.size[::-1]
    drawn = np.array(rgba, np.float64).reshape(height, width, 4)[..., :3] - 0.45 * preprocess.pixels(np.asarray(photo))
    cells = drawn.reshape(classes.shape[0], height // classes.shape[0], classes.shape[1], -1, 3)
    colour = np.median(cells, axis=(1, 3))
    of_class = [colour[classes == index] for index in np.unique(classes)]
    assert max(np.ptp(one, axis=0).max() for one in of_class) <= LEVELS
    means = np.stack([one.mean(axis=0) for one in of_class])
    apart = np.abs(means[:, None] - means[None]).max(axis=2) + 255 * np.eye(len(means))
    assert apart.min() > 2 * LEVELS
