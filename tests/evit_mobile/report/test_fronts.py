"""The page and the table about what to ship: every point links to its manifest, and numbers that are not known are dashes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evit_mobile.report import fronts
from evit_mobile.sweeps.best import Best, best
from evit_mobile.sweeps.front import Candidate
from tests.evit_mobile.sweeps.test_best import profiled, record, sweep_of
from tests.evit_mobile.sweeps.test_front import PLAIN


def test_the_page_links_every_point_to_its_manifest(tmp_path: Path) -> None:
    sweep = sweep_of(
        tmp_path / "sweep", record("a", top1=91.0, bytes=100), record("b", bytes=300), record("<c>", bytes=500)
    )
    profiled(sweep, "1", a=1.0, b=6.0)
    page = fronts.page(best(sweep), base=fronts.base(str(sweep), tmp_path / "pages" / "front.html"))
    assert page.count("<svg") == 3
    for name in ("a", "b"):
        link = f"../sweep/cells/{name}/manifest.json"
        assert len(re.findall(f'xlink:href="{link}"', page)) == 3
        assert f'<a href="{link}"' in page
    assert "in turns on host, a processor" in page
    assert "<c>" not in page
    assert not re.search(r"<script|src=|@import", page)
    assert "not measured in turns" in fronts.page(best(sweep_of(tmp_path / "other", record("a"))))


@pytest.mark.parametrize(
    ("out", "page", "base"),
    [
        ("sweep", "sweep/front.html", "./"),
        ("sweep", "pages/front.html", "../sweep/"),
        ("/data/sweep", "/pages/front.html", "../data/sweep/"),
        ("s3://bucket/sweep", "front.html", "s3://bucket/sweep/"),
    ],
)
def test_links_lead_from_the_page_to_the_sweep(out: str, page: str, base: str) -> None:
    assert fronts.base(out, Path(page)) == base


def test_cells_are_numbers_or_dashes() -> None:
    known = replace(PLAIN, latency_ms=1.23456, bytes=2_844_384, fronts=("latency", "size"))
    assert fronts.cells(known) == ("1.235", "2.84", "90.00", "0.50", "30.0", "latency, size")
    unknown = replace(PLAIN, accuracy=None, lost_points=None, sqnr_db=None)
    assert fronts.cells(unknown) == ("-", "1.00", "-", "-", "-", "")


def printed(*chosen: Candidate, measured: str | None = None) -> str:
    found = Best(
        out="o", gain="accuracy", candidates=chosen, chosen=chosen, measured=measured, notes=("a note for readers",)
    )
    console = Console(width=120)
    with console.capture() as capture:
        console.print(fronts.best_table(found))
    return capture.get()


def test_the_table_says_how_many_there_are_and_what_is_not_shown() -> None:
    text = printed(*(replace(PLAIN, title=f"file-{number:02}") for number in range(22)))
    assert "22 of 22 files passed and keep the limits" in text
    assert "file-19" in text
    assert "file-20" not in text
    assert "and 2 more: --json" in text
    assert "latencies: not measured in turns, so not compared (--measure)" in text
    assert "a note for readers" in text


def test_where_latencies_are_from_is_told() -> None:
    text = printed(PLAIN, measured="in turns on host")
    assert "latencies: in turns on host" in text
    assert "more: --json" not in text


def test_only_files_that_passed_and_are_known_are_drawn() -> None:
    failed = replace(PLAIN, title="failed", verdict="failed", manifest="f")
    elsewhere = replace(PLAIN, title="elsewhere", on="gpu", manifest="g")
    size, sqnr = fronts.plots([replace(PLAIN, manifest="p"), failed, elsewhere], "xnnpack", "accuracy")
    for drawn in (size, sqnr):
        assert re.findall(r'xlink:href="(\w+)"', drawn) == ["p"]
    assert "top-1, %" in size
    assert "SQNR, dB" in sqnr
    assert fronts.plots([failed], "xnnpack", "accuracy") == []
