"""Rows for programs and tables for people, from the same values."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from converters.contract import Delegation, Precision
from evit_mobile.commands.validate import FolderValidation, GoldenCheck, Revalidation
from evit_mobile.figures import Estimate
from evit_mobile.findings import Speed, Verdict
from evit_mobile.report import tables
from evit_mobile.spec import Variation
from tests.manifests import PASSED, artefact, of_model


def printed(table: Any) -> list[str]:
    console = Console(width=120, file=io.StringIO())
    console.print(table)
    text: Any = console.file
    return [" ".join(line.replace("│", " ").split()) for line in text.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("delegated", "total", "partitions", "cell"),
    [(98, 100, 2, "98 % in 2"), (98, 100, None, "98 %"), (0, 0, 0, "0 %"), (1, 3, 1, "33 % in 1")],
)
def test_a_share_of_operations(delegated: int, total: int, partitions: int | None, cell: str) -> None:
    taken = Delegation(delegate="XNNPACK", partitions=partitions, delegated_ops=delegated, total_ops=total)
    assert tables.delegation_cell(taken) == cell
    assert tables.delegation_cell(None) == "-"


def test_a_slow_file_passes_with_a_warning() -> None:
    speed = Speed(ms=3.0, fp32_ms=2.0, ratio=Estimate(value=1.5, low=1.4, high=1.6))
    assert tables.verdict_cell(artefact("a", speed=speed)).plain == "passed\nbut slow"
    assert tables.verdict_cell(artefact("a")).plain == "passed"


def test_a_manifest_is_told_with_its_variation_and_outputs() -> None:
    lines = printed(tables.manifest_table(of_model(artefact("a.tflite"), variation=Variation.RELU_ATTENTION)))
    assert "tiny with relu-attention, 10 classes, weights: file" in lines
    assert "tflite int8 0.00 - - - - passed" in lines
    assert "tiny, 10 feature channels, weights: file" in printed(tables.manifest_table(of_model(task="features")))


def test_a_folder_judged_again_has_a_row_per_file_and_says_what_became_of_golden_vectors() -> None:
    failed = replace(PASSED, verdict=Verdict.FAILED, reason="SQNR", on="gpu")
    one = Revalidation(path=Path("a.pte"), format="executorch", precision=Precision.FP16, validations=(PASSED, failed))
    golden = GoldenCheck(verdict=Verdict.PASSED, reason="8 images, 1 artefacts")
    result = FolderValidation(artefacts=(one,), golden=golden, notes=("a note",))
    rows = tables.revalidation_rows(result)
    (row,) = rows["artefacts"]
    assert (row["path"], row["precision"], row["validation"]["verdict"]) == ("a.pte", "fp16", "failed")
    assert [each["verdict"] for each in row["validations"]] == ["passed", "failed"]
    assert "operations" not in rows
    lines = printed(tables.revalidation_table(result))
    assert "executorch fp16 - - - failed" in lines
    assert "weights: a note" in lines
    assert lines[-1] == "golden vectors: passed, 8 images, 1 artefacts"


def test_the_class_with_the_least_recall_is_named() -> None:
    figures = ("top1", "top5", "calibration_error")
    document: dict[str, Any] = {
        "path": "out/a.tflite",
        "reference_top1": None,
        "recall": [None, 50.0, 25.0, 100.0],
        "classes": [],
        "images": 4,
        "unanswered": 0,
        "source": "photos",
        "runtime": "LiteRT",
        "notes": [],
        **dict.fromkeys(figures, 75.0),
        **{f"{name}_interval": (30.0, 95.0) for name in figures},
    }
    lines = printed(tables.evaluation_table(document))
    assert "least recall of a class 25.00 % (class 2)" in lines
    assert not any("reference" in line for line in lines)
    assert not any("without an answer" in line for line in lines)
    named = printed(tables.evaluation_table(document | {"classes": list("abcd"), "unanswered": 3}))
    assert "without an answer 3 (NaN among the outputs; counted as wrong)" in named
    assert "least recall of a class 25.00 % (c)" in named


def test_an_installed_package_is_told_by_its_version() -> None:
    assert tables.installed_version("no-such-package-anywhere") is None
    assert tables.installed_version("typer")
