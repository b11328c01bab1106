"""What the browser demo shows and takes: predictions, photos, the camera, a benchmark's report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib.preprocess import Preprocess
from converters.registry import find_target
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, CHECKED, DONE, FAILED, PREDICTED, golden_of, manifest_of, page

pytestmark = BROWSER_TEST


def test_what_is_on_screen(browser: Browser, converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = manifest_of(converted)
    with page(browser, converted, PREDICTED):
        first_ms = browser.call("evaluate", "performance.getEntriesByName('prediction')[0].startTime")
        assert browser.call("text", "h1") == "efficientvit_m0"
        assert "10 classes, 224 x 224 pixels" in browser.call("text", "#about")
        assert browser.call("text", "#precision") == "int8"
        assert "no WebGPU" in browser.call("text", "#notice")
        assert "LiteRT.js 2.5.3, WebAssembly with XNNPACK" in browser.call("text", "#runtime")
        assert " ms" in browser.call("text", "#latency")
        shown = browser.call("text", "#predictions").split("\n")
        golden = golden_of(converted)
        (logits,) = np.array(golden["artefacts"]["efficientvit_m0.int8.tflite"]["logits"][:1])
        best = np.argsort(-logits)[:5]
        assert shown[::2] == [manifest["labels"][index] for index in best]
        probabilities = np.exp(logits) / np.exp(logits).sum()
        assert shown[1::2] == [f"{100 * probabilities[index]:.1f} %" for index in best]
    with capsys.disabled():
        print(f"\npage load to the first prediction of int8: {first_ms:.0f} ms")


def test_a_photo_of_the_user(browser: Browser, converted: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    photo = Image.fromarray(pixels).resize((350, 270), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "photo.png")
    manifest = manifest_of(converted)
    tensor = Preprocess.from_manifest(manifest["input"])(photo)
    (logits,) = find_target("tflite").load(converted / "efficientvit_m0.int8.tflite")(tensor[None])
    (tmp_path / "text.png").write_text("no image")
    with page(browser, converted, CHECKED):
        browser.call("upload", "#file", str(tmp_path / "photo.png"))
        browser.call("wait", "document.getElementById('preview').width === 350 && " + PREDICTED)
        assert browser.call("text", "#predictions").split("\n")[0] == manifest["labels"][int(logits.argmax())]
        browser.call("upload", "#file", str(tmp_path / "text.png"))
        browser.call("wait", FAILED)
        assert "text.png" in browser.call("text", "#failure")
        browser.call("upload", "#file", str(tmp_path / "photo.png"))
        browser.call("wait", f"!({FAILED})")


DROP = """(() => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([new Uint8Array(BYTES)], 'dropped.png', { type: 'image/png' }));
  document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: dropped, bubbles: true, cancelable: true }));
})()"""


def test_a_photo_that_is_dropped(browser: Browser, converted: Path, tmp_path: Path) -> None:
    Image.new("RGB", (45, 33), (200, 30, 30)).save(tmp_path / "dropped.png")
    content = list((tmp_path / "dropped.png").read_bytes())
    with page(browser, converted, CHECKED):
        browser.call("evaluate", DROP.replace("BYTES", json.dumps(content)))
        browser.call("wait", "document.getElementById('preview').width === 45 && " + PREDICTED)


def test_a_phones_photo_is_turned_as_its_exif_says(browser: Browser, converted: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (6, 8, 3), np.uint8)
    photo = Image.fromarray(pixels).resize((80, 60), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    photo.save(tmp_path / "photo.jpg", quality=95, exif=exif)
    with page(browser, converted, CHECKED):
        browser.call("upload", "#file", str(tmp_path / "photo.jpg"))
        browser.call("wait", "document.getElementById('preview').width === 60 && " + PREDICTED)
        assert browser.call("evaluate", "document.getElementById('preview').height") == 80


def test_the_camera(browser: Browser, converted: Path) -> None:
    """Chromium's stand-in for one: it shows moving pictures."""
    with page(browser, converted, CHECKED):
        before = browser.call("evaluate", "document.getElementById('preview').width")
        browser.call("click", "#camera")
        browser.call("wait", "document.getElementById('viewfinder').videoWidth > 0 && " + DONE)
        assert browser.call("text", "#camera") == "Take the picture"
        browser.call("click", "#camera")
        browser.call("wait", f"document.getElementById('preview').width !== {before} && " + PREDICTED)
        assert not browser.call("visible", "#viewfinder")
        assert browser.call("evaluate", "document.getElementById('viewfinder').srcObject") is None


def test_the_benchmarks_report_is_read_by_profile(browser: Browser, converted: Path, tmp_path: Path) -> None:
    with page(browser, converted, CHECKED):
        browser.call("click", "#measure")
        browser.call("wait", "!document.getElementById('download').hidden")
        assert browser.call("download", "#download", str(tmp_path / "report.json")) == "efficientvit_m0.web-report.json"
        assert browser.call("evaluate", "document.querySelectorAll('#latencies tbody tr').length") == 2
    artefacts = sorted(converted.glob("*.tflite"))
    place = f"web-report:{tmp_path / 'report.json'}"
    document = profile(artefacts, place=place, settings=Settings(), out=tmp_path / "profile.jsonl")
    for record in document["profiles"]:
        assert record["latency_ms"]["runs"] == 400
        assert record["runtime"]["name"] == "LiteRT.js 2.5.3, WebAssembly with XNNPACK, CPU, 1 thread"
        assert record["artefact"]["model"] == "efficientvit_m0"
