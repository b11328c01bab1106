"""WebGPU on Chromium's software GPU: every precision runs there; a file that it computes wrongly runs on the CPU, and the page says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import evit_mobile
from tests.demo_models import exported
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, CHECKED, page
from tests.web_demo.test_web_computing import SOFTWARE_GPU

pytestmark = BROWSER_TEST
PRECISIONS = ("fp32", "fp16", "int8", "int8-weights", "int8-full")
CHOSEN = "document.getElementById('runtime').textContent.includes('WebGPU')"
TOLD = "document.getElementById('notice').textContent !== ''"
OFFERED = "[...document.getElementById('accelerator').options].some((one) => one.value === 'webgpu')"


@pytest.fixture(scope="module")
def on_gpu() -> Iterator[Browser]:
    with Browser(*SOFTWARE_GPU) as running:
        yield running


def write(model: str, precision: str, folder: Path, **options: Any) -> None:
    """A file of the bundled weights at 96 pixels, where they are less certain, but compute the same way."""
    fixed = {"formats": ["tflite"], "size": (96, 96), "golden": 4, "out": folder}
    evit_mobile.convert(model, precision=precision, **fixed, **options)


def choose(browser: Browser, precision: str, until: str) -> None:
    if not browser.call("evaluate", OFFERED):
        pytest.skip("this Chromium has no software GPU")
    path = f"[...document.getElementById('artefact').options].find((one) => one.text.startsWith('{precision},')).value"
    browser.call("choose", "#artefact", browser.call("evaluate", path))
    browser.call("choose", "#accelerator", "webgpu")
    browser.call("wait", until, 300_000)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", ["efficientvit_m0", "efficientvit_b0"])
def test_every_precision_runs_on_webgpu(model: str, precision: str, on_gpu: Browser, tmp_path: Path) -> None:
    write(model, precision, tmp_path / "out", **({"float_io": True} if precision == "int8-full" else {}))
    with page(on_gpu, exported("web", tmp_path / "out", tmp_path / "model"), CHECKED):
        choose(on_gpu, precision, f"{CHECKED} && ({CHOSEN} || {TOLD})")
        assert on_gpu.call("text", "#notice") == ""
        assert "WebGPU" in on_gpu.call("text", "#runtime")
        assert "4 of 4 images" in on_gpu.call("text", "#agreement-facts")


def test_what_webgpu_computes_wrongly_runs_on_the_cpu_and_the_page_says_why(on_gpu: Browser, tmp_path: Path) -> None:
    """A file for CPUs alone: its grouped int8 convolutions."""
    write("efficientvit_b0", "int8", tmp_path / "out", cpu_only=True)
    with page(on_gpu, exported("web", tmp_path / "out", tmp_path / "model"), CHECKED):
        choose(on_gpu, "int8", f"{CHECKED} && {TOLD}")
        assert "computes wrongly here" in on_gpu.call("text", "#notice")
        assert "The CPU runs it instead." in on_gpu.call("text", "#notice")
        assert "WebAssembly" in on_gpu.call("text", "#runtime")
