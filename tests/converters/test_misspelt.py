"""What a misspelt name may have meant."""

from __future__ import annotations

import pytest

from converters.misspelt import did_you_mean


def test_what_is_like_nothing_gets_no_suggestion() -> None:
    assert did_you_mean("zebra", ["tflite", "coreml"]) == "name one of these"


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("tflit", ["coreml", "tflite"], "tflite"),
        ("Core ML", ["coreml", "tflite"], "coreml"),
        ("b1", ["efficientvit_b10", "efficientvit_b1"], "efficientvit_b1"),
        ("m0.r224_in1k", ["m01", "m0"], "m0"),
        ("b0", ["b0_x", "seg_b0", "efficientvit_b0"], "seg_b0"),  # the first of equals
    ],
)
def test_the_nearest_is_named(name: str, known: list[str], meant: str) -> None:
    assert did_you_mean(name, iter(known)) == f"name one of these; did you mean {meant}?"


@pytest.mark.parametrize(("name", "known"), [("", ["tflite"]), ("tflite", []), ("1", ["efficientvit_b1"])])
def test_nothing_is_guessed_from_nothing(name: str, known: list[str]) -> None:
    assert did_you_mean(name, known, "look it up") == "look it up"
