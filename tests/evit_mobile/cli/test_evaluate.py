"""`evit-mobile evaluate`: what it hands on, and what it prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.commands.evaluate import Evaluation, Pieces
from tests.evit_mobile.cli.command_line import Handed, command

MEASURED = Evaluation(
    path=Path("m0.tflite"),
    runtime="LiteRT",
    source="photos",
    images=200,
    top1=91.5,
    top1_interval=(87.0, 94.5),
    top5=99.0,
    top5_interval=(96.4, 99.7),
    reference_top1=None,
    calibration_error=2.5,
    calibration_error_interval=(1.0, 4.0),
    recall=(None, 0.5, 100.0),
    classes=("a", "b", "c"),
    notes=("3 files were not read",),
)


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Handed:
    found = Handed(MEASURED)
    monkeypatch.setattr("evit_mobile.commands.evaluate.evaluate", found)
    return found


def test_options_are_handed_on(below: Handed) -> None:
    images = ("--images", "s3://bucket/{0..9}.tar", "--labels", "names.txt", "--limit", "50", "--reference")
    pieces = ("--shards", "4", "--workers", "2", "--resume", "kept")
    code, _, err = command("evaluate", "m0.tflite", *images, "--on", "arm", *pieces)
    assert (code, err) == (0, "working")
    assert below.arguments == (Path("m0.tflite"),)
    assert below.options == {
        "images": "s3://bucket/{0..9}.tar",
        "labels": Path("names.txt"),
        "limit": 50,
        "with_reference": True,
        "on": "arm",
        "pieces": Pieces(shards=4, workers=2, keep=Path("kept")),
    }


def test_without_options_everything_is_counted_in_one_piece(below: Handed) -> None:
    assert command("evaluate", "m0.tflite").code == 0
    assert below.options.pop("pieces") == Pieces()
    assert set(below.options.values()) == {None, False}


@pytest.mark.usefixtures("below")
def test_json_is_one_object_and_the_table_has_its_figures() -> None:
    document = json.loads(command("evaluate", "m0.tflite", "--json").out)
    assert (document["path"], document["top1"], document["recall"]) == ("m0.tflite", 91.5, [None, 0.5, 100.0])
    out = command("evaluate", "m0.tflite").out
    for words in ("91.50 % (87.00 to 94.50)", "0.50 % (b)", "200 of photos", "images: 3 files were not read"):
        assert words in out


@pytest.mark.parametrize("option", ["--limit", "--shards", "--workers"])
def test_none_of_something_is_refused(option: str, below: Handed) -> None:
    code, out, err = command("evaluate", "m0.tflite", option, "0")
    assert (code, out, below.called) == (2, "", False)
    assert option in err
