from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.bounds import read_bounds
from benchmarks.cost.page import read_costs
from benchmarks.reading import findings, outermost
from benchmarks.report import read_comparison, to_markdown, write_document
from benchmarks.results import to_json
from benchmarks.tables import table
from tests.benchmarks.benchmark_results import comparison

ROOT = Path(__file__).parents[2]
MOST_WORDS = 40


def long_sentences(page: str) -> list[str]:
    """Sentences of a page of more than `MOST_WORDS` words; tables have none."""
    text = re.sub(r"^\|.*$", "", page, flags=re.MULTILINE)
    parts = re.split(r"\n\s*\n|\n(?=- |#)", text)
    sentences = [one for part in parts for one in re.split(r"(?<=[.?!])\s+", part)]
    return [one for one in sentences if len(re.findall(r"\S*\w\S*", one)) > MOST_WORDS]


def test_no_sentence_of_the_page_is_long() -> None:
    results = ROOT / "benchmarks" / "results"
    comparisons = [read_comparison(path) for path in sorted(results.glob("*.json"))]
    page = to_markdown(comparisons, read_bounds(results / "bounds"), read_costs(results / "cost"))
    assert long_sentences(page) == []
    assert page == (ROOT / "docs" / "benchmarks.md").read_text("utf-8")


def test_a_planted_long_sentence_is_found() -> None:
    long = "word " * MOST_WORDS + "and one more."
    assert long_sentences(f"A short one. Another.\n\n- {long}\n- Short.\n\n| {long} |") == [f"- {long}"]


def test_of_many_the_first_and_the_last_are_named() -> None:
    assert outermost(["a (1x)", "b (2x)", "c (3x)"]) == "3 others, from a (1x) to c (3x)"


def test_table_has_a_cell_for_each_heading() -> None:
    assert table(["a", "b"], [["1", "2"]]).splitlines() == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]


def test_the_page_states_figures_conditions_and_failures() -> None:
    page = to_markdown([comparison()])
    assert "| **litert** | **ours** | **int8** | **1.50 [1.25, 1.75]** | **0.50** | **1.00** | **50 %** |" in page
    assert "| onnxruntime | stock | int8 | 3.75 [3.12, 4.38] | - | 2.50 |" in page
    assert "A Processor, 2 cores" in page
    assert "torch 2.13.0" in page
    assert "- executorch, stock, int8: RuntimeError: error 0x1" in page


def test_the_reading_says_who_leads_and_who_does_not() -> None:
    busy, ahead, behind, stock, conversion = findings(comparison())
    assert "wall time was 3.0 times processor time" in busy
    assert "is faster than litert stock fp32 (2.00x) and onnxruntime stock int8 (2.50x)." in ahead
    assert "is slower than ncnn stock fp32 (0.50x)" in behind
    assert "litert int8, ours: 0.50 [0.50, 0.50] of stock fp32" in stock
    assert "1.00 of the stock fp32 conversion" in conversion


def test_a_quiet_machine_is_not_called_busy() -> None:
    quiet = comparison(wall_factor=1.0)
    assert not any("busy" in sentence for sentence in findings(quiet))


def test_the_document_is_written_from_the_result_files(tmp_path: Path) -> None:
    (tmp_path / "m0.json").write_text(json.dumps(to_json(comparison())))
    write_document(tmp_path, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_text() == to_markdown([comparison()])
