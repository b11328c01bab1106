"""The page: complete, self-contained, escaped, and drawn by a real browser without an error where there is one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.preprocess import Preprocess
from converters.contract import Delegation, Fallback
from converters.errors import ArtefactError
from evit_mobile.findings import Verdict
from evit_mobile.profiling.records import latency_entry
from evit_mobile.profiling.stored import append
from evit_mobile.record.files import write_manifest
from evit_mobile.record.plans import write_plan
from evit_mobile.report.html import page, write_page
from tests.manifests import MANIFEST, PASSED, PLAN, artefact, input_of, of_model

MEASURED = replace(PASSED, runtime="LiteRT", sqnr_db=25.0, top1_agreement=0.99, top1_reference=93.0, top1_artefact=92.5)
UNABLE = replace(MEASURED, verdict=Verdict.NOT_RUN, reason="needs macOS", top1_artefact=None)
TAKEN = Delegation(
    delegate="XNNPACK",
    partitions=2,
    delegated_ops=98,
    total_ops=100,
    fallback=(Fallback(op="DIV", count=2, reason="float only"),),
)
NAME = "m0.int8.tflite"
LITE = artefact(
    NAME,
    bytes=2844384,
    oldest_runtime="ai-edge-litert 1.4.0",
    validations=(MEASURED,),
    delegation=TAKEN,
    plan="plans/int8.json",
)
APPLE = artefact("m0.int8.mlpackage", format="coreml", bytes=2719808, validations=(UNABLE,))
STATED = replace(
    input_of(Preprocess(size=(224, 224))),
    stated_by={"mean": "config.json", "std": "default"},
    notes=("mean: config.json says <so>",),
)
CALIBRATED = replace(MANIFEST.calibration, images=256, source="bundled", notes=("60 files <not> read",))
MODEL = replace(
    of_model(LITE, APPLE, name="efficientvit_m0", weights="bundled", macs=79_000_000),
    input=STATED,
    labels_stated_by="--labels <names>.txt",
    calibration=CALIBRATED,
)


def profile_record() -> dict[str, Any]:
    latencies = list(np.exp(0.05 * np.random.default_rng(0).standard_normal(300)))
    return {
        "schema": 1,
        "place": "host",
        "artefact": {"name": "m0.int8.tflite"},
        "runtime": {"name": "LiteRT", "version": "2"},
        "settings": {"threads": 1, "bound": 0.01, "budget_s": 20},
        "load_ms": 10.0,
        "first_run_ms": 2.0,
        "steady": True,
        "precise": False,
        "latency_ms": latency_entry(latencies),
        "latencies_ms": latencies,
        "throttling": {"signs": []},
        "device": {"after": {"cpu": "a processor"}},
        "operators": {
            "source": "a profiler",
            "whole_ms": 1.0,
            "sum_ms": 0.9,
            "share": 0.9,
            "unattributed_ms": 0.1,
            "rounding_ms": 0.2,
            "rows": [{"operator": "x", "kind": "CONV_2D", "module": "stages.0.conv", "ms": 0.9}],
        },
        "energy": {"unavailable": "no counters"},
    }


SENSITIVITY: dict[str, Any] = {
    "model": "efficientvit_m0",
    "weights": "bundled",
    "images": 32,
    "predicted_sqnr_db": 24.5,
    "measured_sqnr_db": 25.1,
    "modules": [
        {"module": "stages.0.conv", "output_sqnr_db": 30.0, "module_sqnr_db": 35.0, "share": 0.625},
        {"module": "", "output_sqnr_db": 33.0, "module_sqnr_db": 40.0, "share": 0.375},
    ],
}


class Checker(HTMLParser):
    """Collects what a page refers to, its ids, and tags that are not closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.references += [value or "" for name, value in named.items() if name in ("href", "src")]
        self.ids += [named["id"] or ""] if "id" in named else []
        if tag not in ("meta", "link", "path", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_plan(PLAN, LITE.precision, tmp_path)
    write_manifest(MODEL, tmp_path)
    append(tmp_path / "profile.jsonl", [profile_record()])
    (tmp_path / "sensitivity.json").write_text(json.dumps(SENSITIVITY))
    return tmp_path


def test_the_page_says_everything(folder: Path) -> None:
    content = write_page(folder).read_text()
    for expected in (
        "efficientvit_m0",
        "92.50 (93.00)",
        "98 % in 2",
        "2 x DIV: float only",
        "not run: needs macOS",
        "median latency, ms",
        "1 x convolution",
        "sum 0.900 ms of 1.000 ms (90 %)",
        "the budget ended before",
        "unavailable: no counters",
        "int8: 2 tensors are int8, 1 operations stay float",
        "1 x softmax: no int8 kernel",
        "25.1 dB measured, 24.5 dB predicted",
        "62.5 %",
        "outside operators",
        "Images: scaled to cover 224x224 (bicubic), cropped to 224x224",
        "mean by config.json",
        "config.json says &lt;so&gt;",
        "Class names: --labels &lt;names&gt;.txt",
        "Images: 60 files &lt;not&gt; read",
    ):
        assert expected in content, expected


def test_the_page_stands_alone_and_is_accessible(folder: Path) -> None:
    content = write_page(folder).read_text()
    checker = Checker(content)
    assert all(reference.startswith(("#", "data:")) for reference in checker.references)
    assert {reference[1:] for reference in checker.references if reference.startswith("#")} <= set(checker.ids)
    assert checker.open == []
    assert "<script" not in content
    assert "url(" not in content
    assert '<html lang="en">' in content
    assert "prefers-color-scheme: dark" in content
    assert content.count('role="img" aria-label=') == content.count("<svg")
    assert not re.search(r"<th(?! scope)[ >]", content)


def test_a_folder_without_profiles_says_so() -> None:
    content = page(MODEL, [])
    assert "Not measured. Run" in content
    assert "Nothing in this folder is quantized" in content
    assert "evit-mobile sensitivity --json" in content


def test_without_labels_the_scatter_shows_agreement() -> None:
    unlabelled = replace(LITE, validations=(replace(MEASURED, top1_artefact=None),))
    manifest = replace(MODEL, artefacts=(unlabelled, APPLE))
    assert "agreement with the reference, %" in page(manifest, [profile_record()])


def test_every_judge_of_several_has_a_line() -> None:
    failed = replace(MEASURED, on="gpu", runtime="a <driver>", verdict=Verdict.FAILED, reason="SQNR", sqnr_db=1.25)
    content = page(replace(MODEL, artefacts=(replace(LITE, validations=(MEASURED, failed)),)), [])
    assert "failed: gpu: SQNR" in content
    assert "on gpu, a &lt;driver&gt;" in content
    assert "1.2</td>" in content


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_sensitivity_that_is_none(content: str, folder: Path) -> None:
    (folder / "sensitivity.json").write_text(content)
    with pytest.raises(ArtefactError, match=r"sensitivity\.json"):
        write_page(folder)


def test_names_cannot_inject_html() -> None:
    evil = "<script>alert(1)</script>"
    manifest, record = of_model(replace(LITE, path=evil, format=evil), name=evil), profile_record()
    record["artefact"]["name"] = evil
    record["operators"]["rows"][0] |= {"kind": evil, "module": evil}
    content = page(manifest, [record])
    assert "<script" not in content
    assert "&lt;script&gt;" in content


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError):
        write_page(tmp_path)


def test_colours_are_the_pages() -> None:
    content = page(MANIFEST, [profile_record()])
    for drawing in re.findall(r"<svg.*?</svg>", content, re.DOTALL):
        assert re.findall(r"(?:fill|stroke): (?!var\(--|none)\S+", drawing) == []
    assert set(re.findall(r"var\(--(\w+)\)", content)) <= set(re.findall(r"--(\w+):", content))


@pytest.mark.slow
@pytest.mark.parametrize("width", [500, 1100])
def test_a_browser_draws_it_without_an_error(folder: Path, width: int) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on this machine")
    page_path, picture = write_page(folder), folder / "page.png"
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"
    command = [
        browser,
        *flags.split(),
        "--disable-component-update",
        "--enable-logging=stderr",
        f"--window-size={width},2000",
    ]
    done = subprocess.run(
        [*command, f"--user-data-dir={folder}/browser", f"--screenshot={picture}", page_path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in done.stderr
    assert picture.stat().st_size > 10_000


def test_oldest_runtimes_are_told_where_they_are_known() -> None:
    written = page(MODEL, [])
    assert written.count("m0.int8.tflite: from ai-edge-litert 1.4.0 on.") == 1
    assert "m0.int8.mlpackage: from" not in written


def test_what_no_judge_runs_is_told() -> None:
    first, *others = MODEL.artefacts
    assert "unproven" not in page(MODEL, [])
    written = page(replace(MODEL, artefacts=(replace(first, unproven="its <images>"), *others)), [])
    assert f"{first.path}: unproven is its &lt;images&gt;." in written
