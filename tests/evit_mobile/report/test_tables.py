"""What the tables say in words."""

from __future__ import annotations

from typing import Any

import pytest

from calib.preprocess import Interpolation, Preprocess, Resize
from calib.stated.statement import Statement, decide
from evit_mobile.report.lines import image_lines, input_lines, label_lines, recovery_lines, validation_lines


def manifest(top1: float | None) -> dict[str, Any]:
    return {
        "model": {"variation": "relu-attention"},
        "recovery": {
            "original": {"top1": None if top1 is None else 93.0},
            "before": {"agreement": 0.5, "top1": None if top1 is None else 51.0},
            "after": {"agreement": 0.97, "top1": top1},
            "held_out": 256,
        },
    }


def test_an_original_has_no_recovery_to_tell_of() -> None:
    assert recovery_lines({"model": {"variation": None}, "recovery": None}) == []
    assert recovery_lines({"model": {}}) == []


@pytest.mark.parametrize("top1", [None, 92.5])
def test_a_change_of_function_is_told_with_its_figures(top1: float | None) -> None:
    (line,) = recovery_lines(manifest(top1))
    assert "relu-attention is not the original's function" in line.plain
    assert "0.5000 before and 0.9700 after" in line.plain
    assert ("51.00 and 92.50 % (original 93.00 %)" in line.plain) == (top1 is not None)


def test_preprocessing_is_told_with_its_sources_and_contradictions() -> None:
    given = Statement(source="--mean", values={"mean": (0.5, 0.5, 0.5)})
    stated = Statement(source="config.json", values={"mean": (0.1, 0.2, 0.3), "interpolation": Interpolation.BILINEAR})
    decision = decide(Preprocess(size=(224, 192), crop_pct=0.875), [given, stated])
    told, contradiction = (line.plain for line in input_lines(decision.to_manifest()))
    assert told == (
        "images: scaled to cover 256x219 (bilinear), cropped to 224x192, mean 0.5 0.5 0.5, std 0.229 0.224 0.225; "
        "resize, crop, std, color by default; interpolation by config.json; mean by --mean"
    )
    assert contradiction == "images: mean: --mean says 0.5 0.5 0.5, which is used; config.json says 0.1 0.2 0.3"


def test_what_states_everything_is_named_once() -> None:
    decision = decide(Preprocess(size=(64, 64), resize=Resize.SQUASH), [], "the bundled weights")
    (line,) = input_lines(decision.to_manifest())
    assert line.plain.startswith("images: squashed to 64x64 (bicubic), mean 0.485 0.456 0.406")
    assert line.plain.endswith("; by the bundled weights")
    (older,) = input_lines(decision.preprocess.to_manifest())
    assert older.plain.endswith("std 0.229 0.224 0.225")


def test_a_verdict_names_the_oldest_runtime_where_it_is_known() -> None:
    validation = {"verdict": "passed", "images": 256, "runtime": "a runtime", "reason": ""}
    entries = [
        {"path": "a.pte", "validation": validation, "oldest_runtime": "executorch 1.4.0"},
        {"path": "b.pte", "validation": validation, "oldest_runtime": None},
    ]
    assert [line.plain for line in validation_lines(entries)] == [
        "a.pte: 256 held-out images, a runtime; from executorch 1.4.0 on",
        "b.pte: 256 held-out images, a runtime",
    ]


def labelled(stated_by: str | None, *notes: str, weights: str = "file") -> dict[str, Any]:
    return {"model": {"weights": weights}, "labels_stated_by": stated_by, "calibration": {"notes": list(notes)}}


def test_who_states_the_class_names_is_told_once() -> None:
    (line,) = label_lines(labelled("class_to_idx in the checkpoint"))
    assert line.plain == "class names: class_to_idx in the checkpoint"
    assumed = "class order assumed from folder names: a, b"
    assert label_lines(labelled("assumed from folder names", assumed)) == []
    assert label_lines(labelled("the bundled weights", weights="bundled")) == []
    assert label_lines({"model": {"weights": "file"}, "calibration": {}}) == []


def test_a_warning_about_the_images_is_none_of_their_notes() -> None:
    lines = image_lines(["3 files were not read", "warning: top-1 is no better than guessing"])
    assert [line.plain for line in lines] == [
        "images: 3 files were not read",
        "warning: top-1 is no better than guessing",
    ]
