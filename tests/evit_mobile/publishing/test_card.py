"""The model card: every figure is the manifest's, and no text becomes markup."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from evit_mobile.findings import Verdict
from evit_mobile.publishing.card import (
    PIPELINES,
    head,
    input_lines,
    introduction,
    model_card,
    number,
    plain,
    table,
    top1,
)
from evit_mobile.record.manifest import CalibrationEntry
from evit_mobile.spec import Task, Variation
from tests.manifests import ARTEFACT, MANIFEST, PASSED, artefact, of_model


def with_labels(*labels: str) -> Any:
    return replace(MANIFEST, labels=labels)


def test_a_card_has_its_parts_in_order() -> None:
    card = model_card(MANIFEST, "me/tiny", "mit")
    titles = [line for line in card.splitlines() if line.startswith("#")]
    assert titles == ["# tiny", "## Files", "## Proof", "## Input and output", "## Calibration", "## Use"]
    assert card.startswith('---\nlicense: "mit"\n')
    assert card.endswith("\n")
    assert "| `tiny.int8.tflite` | 0.00 | - |" in card
    assert "| `tiny.int8.tflite` | a runtime | passed: all thresholds met | 256 | - | - | - |" in card
    assert "- nothing was calibrated" in card
    assert 'evit_mobile.load("tiny/tiny.int8.tflite")(["photo.jpg"])' in card


@pytest.mark.parametrize("task", list(Task))
def test_the_hub_gets_a_pipeline_of_its_own_for_every_task(task: Task) -> None:
    found = head(of_model(ARTEFACT, task=task), "apache-2.0")
    assert f"pipeline_tag: {PIPELINES[task]}\n" in found


def test_tags_name_each_format_once_and_are_quoted() -> None:
    entries = artefact("a.pte", format="executorch"), artefact("b.coreml.pte", format="executorch-coreml"), ARTEFACT
    lines = head(of_model(*entries, name='a "b": c'), 'x: "y"').splitlines()
    assert [json.loads(line[2:]) for line in lines if line.startswith("- ")] == [
        "efficientvit",
        'a "b": c',
        "executorch",
        "tflite",
    ]
    assert lines[1] == 'license: "x: \\"y\\""'


def test_the_model_is_told_by_its_figures() -> None:
    manifest = of_model(ARTEFACT, params=2_345_678, macs=79_000_000, num_classes=10, weights_sha256="ab" * 32)
    found = introduction(manifest, "mit")
    assert "2,345,678 parameters,\n79,000,000 multiply-accumulates, 10 classes." in found
    assert f"Weights: `tiny.pth` (file), licence mit, SHA-256 `{'ab' * 32}`." in found
    other = of_model(ARTEFACT, task=Task.FEATURES, variation=Variation.RELU_ATTENTION, weights_sha256=None)
    assert "changed by `relu-attention` and recovered" in introduction(other, "mit")
    assert "10 channels." in introduction(other, "mit")
    assert "SHA-256" not in introduction(other, "mit")


def test_every_judge_of_every_file_has_a_row_with_its_reason() -> None:
    failed = replace(PASSED, verdict=Verdict.FAILED, reason="SQNR | 3 dB\nonly", runtime="gpu", sqnr_db=3.04)
    card = model_card(of_model(artefact("a.pte", validations=(PASSED, failed)), ARTEFACT), "me/tiny", "mit")
    rows = [line for line in card.splitlines() if "| 256 |" in line]
    assert len(rows) == 3
    assert rows[1] == "| `a.pte` | gpu | failed: SQNR \\| 3 dB only | 256 | 3.0 | - | - |"
    card = model_card(of_model(artefact("a.aimodel", unproven="its images")), "me/tiny", "mit")
    assert "| passed: all thresholds met; unproven: its images | 256 |" in card


@pytest.mark.parametrize(
    ("artefact_top1", "reference_top1", "expected"),
    [(None, None, "-"), (None, 93.0, "-"), (92.968, 93.359, "92.97 (93.36)"), (0.0, 0.0, "0.00 (0.00)")],
)
def test_accuracy_stands_beside_the_references(
    artefact_top1: float | None, reference_top1: float | None, expected: str
) -> None:
    assert top1(replace(PASSED, top1_artefact=artefact_top1, top1_reference=reference_top1)) == expected


def test_a_number_has_its_digits_and_nothing_is_a_dash() -> None:
    assert [number(None, 1), number(0.0, 1), number(-1.25, 2)] == ["-", "0.0", "-1.25"]


def test_a_cell_cannot_end_its_row() -> None:
    assert table(["a"], [["x|y\nz"]]) == "| a |\n| --- |\n| x\\|y z |"


@pytest.mark.parametrize("text", ["<script>", "[x](http://y)", "`code`", "a\nb", "**bold**", "a|b", "\r"])
def test_a_name_is_text_and_nothing_else(text: str) -> None:
    assert not set(plain(text)) & set("`<>|[]*\n\r")
    card = model_card(with_labels(text), "me/tiny", "mit")
    assert text not in card.split("classes: ")[1].split("\n")[0]


def test_twenty_names_are_listed_and_more_are_hinted_at() -> None:
    assert "classes: a, b" in input_lines(with_labels("a", "b"))
    names = [f"n{index}" for index in range(21)]
    assert f"classes: {', '.join(names[:20])}" in input_lines(with_labels(*names[:20]))
    assert f"classes: {', '.join(names[:20])} ..." in input_lines(with_labels(*names))
    assert len(input_lines(with_labels())) == 2


def test_images_that_calibrated_are_told_with_their_digest() -> None:
    calibration = CalibrationEntry(digest="cd" * 32, images=256, source="<photos>", seed=0)
    card = model_card(replace(MANIFEST, calibration=calibration), "me/tiny", "mit")
    assert "- 256 images of ` photos `\n- digest of their contents and preprocessing: `" + "cd" * 32 in card
