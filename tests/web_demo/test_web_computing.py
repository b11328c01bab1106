"""The browser demo computes what Python computes, bit by bit before the model, with any model of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from calib.preprocess import Preprocess
from converters.registry import find_target
from tests.demo_models import GOLDEN_IMAGES as IMAGES
from tests.demo_models import exported
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, CHECKED, golden_of, manifest_of, page

pytestmark = BROWSER_TEST
SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-vulkan=swiftshader",
    "--ignore-gpu-blocklist",
)


COMPUTED = """(async () => {
  const [{ openFolder, fetchChecked }, { Session }, { goldenImage }, { inputFor, preprocess }] = await Promise.all(
    ['model-folder', 'engine', 'golden', 'preprocess'].map((name) => import(`/js/${name}.js`)));
  const folder = await openFolder(new URL('/model/', location));
  const entry = folder.artefacts.find(({ path }) => path === NAME);
  const session = await Session.open(entry, await fetchChecked(folder.base, entry.path, entry.sha256), 'wasm');
  const results = [];
  for (let index = 0; index < folder.golden.images.length; index++) {
    const image = await goldenImage(folder, index);
    const tensor = preprocess(image, folder.manifest.input, 'NCHW');
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', tensor));
    const { logits } = await session.run(inputFor(session, image, folder.manifest.input));
    results.push({ sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join(''), logits: [...logits] });
  }
  return results;
})()"""


def computed(browser: Browser, name: str) -> list[dict[str, Any]]:
    """The SHA-256 of the page's tensor, and the page's logits, of each golden image."""
    results: list[dict[str, Any]] = browser.call("evaluate", COMPUTED.replace("NAME", json.dumps(name)))
    return results


def golden_tensors(folder: Path) -> NDArray[np.float32]:
    preprocess = Preprocess.from_manifest(manifest_of(folder)["input"])
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


NO_GPU = "Object.defineProperty(navigator, 'gpu', {value: {requestAdapter: async () => ({})}})"
"""An adapter that gives no device."""


def test_where_webgpu_fails_the_cpu_runs_and_the_user_is_told(browser: Browser, converted: Path) -> None:
    with page(browser, converted, CHECKED, script=NO_GPU):
        assert browser.call("text", "#notice") == ""
        browser.call("choose", "#accelerator", "webgpu")
        browser.call("wait", f"{CHECKED} && document.getElementById('notice').textContent !== ''")
        assert "The CPU runs it instead." in browser.call("text", "#notice")
        assert "WebAssembly" in browser.call("text", "#runtime")
        assert browser.call("evaluate", "document.getElementById('accelerator').value") == "wasm"
        assert browser.call("text", "#agreement") == "This browser computes what Python computed."


@pytest.mark.parametrize("precision", ["fp32", "int8-full"])
def test_files_for_photos_are_given_pixels(precision: str, browser: Browser, demo_models: Path, tmp_path: Path) -> None:
    folder, name = exported("web", demo_models / "photo", tmp_path / "model"), f"efficientvit_m0.{precision}.tflite"
    with page(browser, folder, CHECKED):
        browser.call("choose", "#artefact", name)
        browser.call("wait", f"{CHECKED} && document.getElementById('precision').textContent === '{precision}'")
        check_against_python(browser, folder, name)
        assert browser.call("text", "#agreement") == "This browser computes what Python computed."
        assert "Probabilities" in browser.call("text", "#agreement-facts")
        shares = [float(text.rstrip(" %")) for text in browser.call("text", "#predictions").split("\n")[1::2]]
        assert 50 < sum(shares) < 101


@pytest.mark.parametrize(
    ("name", "artefact", "about", "resize", "mean"),
    [
        ("b0", "efficientvit_b0.int8.tflite", "10 classes, 128 x 128 pixels", "squash", 0.485),
        ("five", "efficientvit_m0.int8.tflite", "5 classes, 192 x 256 pixels", "cover", 0.5),
    ],
)
def test_another_model_needs_no_other_code(
    name: str, artefact: str, about: str, resize: str, mean: float, browser: Browser, demo_models: Path, tmp_path: Path
) -> None:
    folder = exported("web", demo_models / name, tmp_path / "model")
    manifest = manifest_of(folder)
    assert (manifest["input"]["resize"]["mode"], manifest["input"]["mean"][0]) == (resize, mean)
    with page(browser, folder, CHECKED):
        check_against_python(browser, folder, artefact)
        assert about in browser.call("text", "#about")
        assert set(browser.call("text", "#predictions").split("\n")[::2]) <= set(manifest["labels"])
