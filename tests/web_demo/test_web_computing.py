"""The browser demo computes what Python computes, bit by bit before the model, with any model of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from calib.preprocess import Preprocess
from converters.registry import find_target
from evit_mobile.manifest import read_manifest
from evit_mobile.models import build_model
from evit_mobile.pipeline import convert
from evit_mobile.reference import randomise
from evit_mobile.spec import find_spec
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, CHECKED, IMAGES, golden_of, page

pytestmark = BROWSER_TEST
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--ignore-gpu-blocklist",
)


@pytest.fixture(scope="module")
def five_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """efficientvit_b0 of five classes at 192 x 256, from a checkpoint file and a folder of photos in five sub-folders."""
    folder = tmp_path_factory.mktemp("b0")
    module = build_model(find_spec("efficientvit_b0", size=(192, 256), num_classes=5))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        randomise(module, (192, 256))
    torch.save(module.state_dict(), folder / "mine.pth")
    random = np.random.default_rng(0)
    for number in range(60):
        place = folder / "photos" / f"kind {'edcba'[number % 5]}"
        place.mkdir(parents=True, exist_ok=True)
        height, width = [(300, 400), (700, 560), (150, 600)][number % 3]
        coarse = random.integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(place / f"{number}.png")
    convert(
        weights=folder / "mine.pth",
        model="efficientvit_b0",
        num_classes=5,
        size=(192, 256),
        calib=folder / "photos",
        formats=["tflite"],
        precision="fp32",
        out=folder / "out",
    )
    return folder / "out"


COMPUTED = """(async () => {
  const [{ openFolder, fetchChecked }, { Session }, { goldenImage }, { preprocess }] = await Promise.all(
    ['model-folder', 'engine', 'golden', 'preprocess'].map((name) => import(`/js/${name}.js`)));
  const folder = await openFolder(new URL('/model/', location));
  const entry = folder.artefacts.find(({ path }) => path === NAME);
  const session = await Session.open(entry, await fetchChecked(folder.base, entry.path, entry.sha256), 'wasm');
  const results = [];
  for (let index = 0; index < folder.golden.images.length; index++) {
    const image = await goldenImage(folder, index);
    const tensor = preprocess(image, folder.manifest.input, 'NCHW');
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', tensor));
    const { logits } = await session.run(preprocess(image, folder.manifest.input, session.layout));
    results.push({ sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''), logits: [...logits] });
  }
  return results;
})()"""


def computed(browser: Browser, name: str) -> list[dict[str, Any]]:
    """The SHA-256 of the page's tensor, and the page's logits, of each golden image."""
    results: list[dict[str, Any]] = browser.call("evaluate", COMPUTED.replace("NAME", json.dumps(name)))
    return results


def golden_tensors(folder: Path) -> NDArray[np.float32]:
    preprocess = Preprocess.from_manifest(read_manifest(folder)["input"])
    return np.stack([preprocess(Image.open(folder / "golden" / item["image"])) for item in golden_of(folder)["images"]])


def check_against_python(browser: Browser, folder: Path, name: str) -> None:
    """The same tensors bit by bit, and the logits and classes of the file as LiteRT runs it here."""
    golden, results = golden_of(folder), computed(browser, name)
    assert [result["sha256"] for result in results] == [item["tensor_sha256"] for item in golden["images"]]
    logits = np.array([result["logits"] for result in results])
    expected = find_target("tflite").load(folder / name)(golden_tensors(folder))
    assert np.abs(logits - expected).max() <= golden["artefacts"][name]["max_abs_error"]
    assert np.array_equal(logits.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_computes_what_python_computes(precision: str, browser: Browser, converted: Path) -> None:
    name = f"efficientvit_m0.{precision}.tflite"
    with page(browser, converted, CHECKED):
        browser.call("choose", "#artefact", name)
        browser.call("wait", f"{CHECKED} && document.getElementById('precision').textContent === '{precision}'")
        check_against_python(browser, converted, name)
        assert browser.call("text", "#agreement") == "This browser computes what Python computed."
        facts = browser.call("text", "#agreement-facts")
        assert "Tensors\nequal" in facts
        assert f"Class as this file in Python\n{IMAGES} of {IMAGES} images" in facts


def test_webgpu_computes_what_python_computes(converted: Path) -> None:
    """On Chromium's software GPU, where it has one."""
    with Browser(*SOFTWARE_GPU) as browser, page(browser, converted, CHECKED):
        if not browser.call(
            "evaluate", "[...document.getElementById('accelerator').options].some((o) => o.value === 'webgpu')"
        ):
            pytest.skip("this Chromium has no software GPU")
        browser.call("choose", "#artefact", "efficientvit_m0.fp32.tflite")
        browser.call("choose", "#accelerator", "webgpu")
        browser.call("wait", f"{CHECKED} && document.getElementById('runtime').textContent.includes('WebGPU')", 180_000)
        assert browser.call("text", "#agreement") == "This browser computes what Python computed."
        assert f"Class as this file in Python\n{IMAGES} of {IMAGES} images" in browser.call("text", "#agreement-facts")


def test_another_model_needs_no_other_code(browser: Browser, five_classes: Path) -> None:
    manifest = read_manifest(five_classes)
    assert (manifest["input"]["resize"]["mode"], manifest["input"]["interpolation"]) == ("cover", "bicubic")
    with page(browser, five_classes, CHECKED):
        check_against_python(browser, five_classes, "efficientvit_b0.fp32.tflite")
        assert "5 classes, 192 x 256 pixels" in browser.call("text", "#about")
        labels = browser.call("text", "#predictions").split("\n")[::2]
        assert sorted(labels) == [f"kind {letter}" for letter in "abcde"]
