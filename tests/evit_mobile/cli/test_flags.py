"""Values from texts, and one choice from flags."""

from __future__ import annotations

from typing import Any

import pytest

from converters.registry import TARGETS
from evit_mobile.cli.flags import (
    chosen_formats,
    chosen_precision,
    chosen_variation,
    input_fields,
    parse_bytes,
    parse_numbers,
    parse_size,
    parse_sizes,
)
from evit_mobile.cli.model_options import ModelAndImages
from evit_mobile.errors import UsageError


@pytest.mark.parametrize(("text", "size"), [("12GB", 12e9), ("800M", 8e8), ("1.5g", 1.5e9), ("4096", 4096)])
def test_sizes_of_memory(text: str, size: float) -> None:
    assert parse_bytes("--memory", text) == size


@pytest.mark.parametrize("text", ["", "0", "many", "-1GB", "12 apples"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError):
        parse_bytes("--memory", text)


@pytest.mark.parametrize(
    ("palette", "flags", "precision"),
    [
        (None, {}, None),
        (None, {"int8": False, "fp16": False}, None),
        (None, {"int8_weights": True, "fp16": False}, "int8-weights"),
        (6, {}, "int8-palette6"),
        (4, {"int8": True}, "int8-palette4"),
        (4, {"fp16": True}, "fp16-palette4"),
    ],
)
def test_one_flag_is_the_precision(palette: int | None, flags: dict[str, bool], precision: str | None) -> None:
    assert chosen_precision(palette, **flags) == precision


@pytest.mark.parametrize(
    ("palette", "flags", "got"),
    [
        (None, {"int8": True, "fp16": True, "fp32": True}, "--int8 and --fp16 and --fp32"),
        (4, {"int8_full": True}, "--int8-full --palette 4"),
        (5, {}, "--int8 --palette 5"),
    ],
)
def test_precisions_that_there_are_not(palette: int | None, flags: dict[str, bool], got: str) -> None:
    with pytest.raises(UsageError) as raised:
        chosen_precision(palette, **flags)
    assert raised.value.got == got


@pytest.mark.parametrize(
    ("attention", "activation", "chosen"),
    [(False, False, None), (True, False, "relu-attention"), (False, True, "relu-activation")],
)
def test_one_variation(attention: bool, activation: bool, chosen: str | None) -> None:
    assert chosen_variation(relu_attention=attention, relu_activation=activation) == chosen


def test_two_variations_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="--relu-attention and --relu-activation"):
        chosen_variation(relu_attention=True, relu_activation=True)


def test_all_is_every_format_whatever_else_is_named() -> None:
    assert chosen_formats(None) is None
    assert chosen_formats([]) is None
    assert chosen_formats(["tflite", "coreml"]) == ["tflite", "coreml"]
    everything = chosen_formats(["tflite", "all"])
    assert everything is not None
    assert {"coreml", "tflite", "executorch"} <= set(everything) <= set(TARGETS)


@pytest.mark.parametrize(
    ("text", "size"), [(None, None), ("224", (224, 224)), ("192x256", (192, 256)), ("1X2", (1, 2))]
)
def test_sizes_are_height_by_width(text: str | None, size: tuple[int, int] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "224x", "1x2x3", "-224", "22.4", "224 x 192", "²"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="HEIGHTxWIDTH") as raised:
        parse_size(text)
    assert raised.value.got == f"size {text!r}"


def test_several_sizes_are_a_list() -> None:
    assert parse_sizes(None) is None
    assert parse_sizes("224, 192x256") == ((224, 224), (192, 256))
    with pytest.raises(UsageError, match="size ''"):
        parse_sizes("224,")


def test_numbers_are_a_list() -> None:
    assert parse_numbers("--mean", None) is None
    assert parse_numbers("--mean", "0.5") == (0.5,)
    assert parse_numbers("--mean", "0.485, 0.456,0.406") == (0.485, 0.456, 0.406)
    with pytest.raises(UsageError, match=r"got --std '1;2'.*pass for example --std 0\.485"):
        parse_numbers("--std", "1;2")


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ({}, {}),
        ({"size": "64"}, {"size": (64, 64)}),
        ({"mean": "0.5", "std": "1,2,3"}, {"mean": (0.5,), "std": (1.0, 2.0, 3.0)}),
        ({"squash": True}, {"resize": "squash"}),
        ({"squash": False}, {"resize": "cover"}),
    ],
)
def test_what_was_said_of_the_input_becomes_fields(said: dict[str, Any], fields: dict[str, Any]) -> None:
    assert input_fields(ModelAndImages(**said)) == fields
