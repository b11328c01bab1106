"""Whatever is wrong with a folder has a screen of its own in the browser demo, and the page lives on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from converters.files import sha256
from evit_mobile.demos.serve import RUNTIME
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, CHECKED, DONE, FAILED, golden_of, manifest_of, page

pytestmark = BROWSER_TEST
Change = Callable[[Path, dict[str, Any]], object]


def truncate(folder: Path, manifest: dict[str, Any], *, vouched: bool) -> None:
    """Cuts every file off; the manifest may vouch for that."""
    for entry in manifest["artefacts"]:
        path = folder / entry["path"]
        path.write_bytes(path.read_bytes()[:20_000])
        if vouched:
            entry["sha256"] = sha256(path)


def vouch_for_golden(folder: Path, manifest: dict[str, Any], **changes: Any) -> None:
    path = folder / manifest["golden"]["path"]
    path.write_text(json.dumps(golden_of(folder) | changes))
    manifest["golden"]["sha256"] = sha256(path)


FAULTS: dict[str, tuple[Change, str]] = {
    "unknown schema": (lambda _, manifest: manifest.update(schema=3), "manifest.json of schema 3"),
    "another task": (lambda _, manifest: manifest["model"].update(task="features"), "task features"),
    "no file for browsers": (lambda _, manifest: manifest.update(artefacts=[]), "no artefact"),
    "fields missing": (lambda _, manifest: manifest.pop("input"), "fields missing"),
    "wrong hashes": (
        lambda _, manifest: [entry.update(sha256="0" * 64) for entry in manifest["artefacts"]],
        "int8.tflite, whose SHA-256",
    ),
    "wrong hash of golden.json": (
        lambda _, manifest: manifest["golden"].update(sha256="0" * 64),
        "golden.json, whose SHA-256",
    ),
    "a missing artefact": (lambda folder, _: (folder / "efficientvit_m0.int8.tflite").unlink(), "HTTP 404"),
    "a cut off artefact": (lambda folder, manifest: truncate(folder, manifest, vouched=False), "whose SHA-256"),
    "a damaged artefact": (lambda folder, manifest: truncate(folder, manifest, vouched=True), "LiteRT.js cannot open"),
    "integers only": (
        lambda _, manifest: [entry["inputs"][0].update(dtype="int8") for entry in manifest["artefacts"]],
        "takes int8",
    ),
    "unknown golden schema": (lambda folder, manifest: vouch_for_golden(folder, manifest, schema=7), "schema 7"),
    "another number of classes": (lambda _, manifest: manifest["model"].update(num_classes=1000), "10 logits"),
    "unknown preprocessing": (lambda _, manifest: manifest["input"].update(interpolation="gaussian"), "gaussian"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_a_screen(fault: str, browser: Browser, converted: Path, tmp_path: Path) -> None:
    change, named = FAULTS[fault]
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    manifest = manifest_of(folder)
    change(folder, manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with page(browser, folder, FAILED):
        text = browser.call("text", "#failure")
        assert named in text
        assert "this is a bug" not in text
        assert "undefined" not in text
        assert not browser.call("visible", "#result")


@pytest.mark.parametrize("content", [None, "{", "null"])
def test_a_manifest_that_is_missing_or_none_has_a_screen(content: str | None, browser: Browser, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with page(browser, tmp_path, FAILED):
        assert "manifest.json" in browser.call("text", "#failure")
        assert "this is a bug" not in browser.call("text", "#failure")


def test_after_a_fault_another_artefact_can_be_chosen(browser: Browser, converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    (folder / "efficientvit_m0.int8.tflite").write_bytes(b"damaged")
    with page(browser, folder, FAILED):
        browser.call("choose", "#artefact", "efficientvit_m0.fp32.tflite")
        browser.call("wait", CHECKED)
        assert browser.call("text", "#precision") == "fp32"
        assert not browser.call("visible", "#failure")


def test_golden_vectors_that_differ_are_said_to(browser: Browser, converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    manifest = manifest_of(folder)
    artefacts = golden_of(folder)["artefacts"]
    artefacts["efficientvit_m0.int8.tflite"]["logits"][5][2] += 1
    vouch_for_golden(folder, manifest, artefacts=artefacts)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with page(browser, folder, CHECKED):
        assert "further from Python" in browser.call("text", "#agreement")
        assert "at most 1.0 apart" in browser.call("text", "#agreement-facts")


def test_a_folder_without_golden_vectors(browser: Browser, converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    (folder / "manifest.json").write_text(json.dumps(manifest_of(folder) | {"golden": None}))
    with page(browser, folder, DONE + " && !document.getElementById('picture').hidden"):
        assert not browser.call("visible", "#golden")
        assert not browser.call("visible", "#failure")


def test_without_litert_js_there_is_a_screen_too(browser: Browser, converted: Path, tmp_path: Path) -> None:
    """A host that was given the page and not node_modules."""
    for package in RUNTIME:
        (tmp_path / package).mkdir(parents=True)
    with page(browser, converted, FAILED, node_modules=tmp_path):
        assert "LiteRT.js that does not start" in browser.call("text", "#failure")
        assert "npm ci" in browser.call("text", "#failure")
