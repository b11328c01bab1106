"""Values of options from their text, and one choice from flags that exclude each other."""

from __future__ import annotations

import re
from typing import Any

from converters.contract import Precision
from converters.registry import all_formats
from evit_mobile.cli.model_options import ModelAndImages
from evit_mobile.errors import UsageError

ALL = "all"


def chosen_precision(palette: int | None = None, **flags: bool) -> str | None:
    """The one precision whose flag (int8, int8_weights...) was given, with the palette where one was, which is of int8 by itself;
    None where nothing was. Raises UsageError for two.
    """
    asked = [name.replace("_", "-") for name, wanted in flags.items() if wanted]
    if len(asked) > 1:
        raise UsageError(
            got=" and ".join(f"--{name}" for name in asked), allowed="one precision", do="convert once per precision"
        )
    if palette is None:
        return asked[0] if asked else None
    precision = asked[0] if asked else Precision.INT8
    if f"{precision}-palette{palette}" not in list(Precision):
        raise UsageError(
            got=f"--{precision} --palette {palette}",
            allowed="--palette 4 or 6, with --int8 or --fp16",
            do="choose one of these",
        )
    return f"{precision}-palette{palette}"


def chosen_variation(*, relu_attention: bool, relu_activation: bool) -> str | None:
    """The one variation that was asked for. Raises UsageError for two."""
    asked = [
        name for name, wanted in (("relu-attention", relu_attention), ("relu-activation", relu_activation)) if wanted
    ]
    if len(asked) > 1:
        raise UsageError(
            got="--relu-attention and --relu-activation",
            allowed="one: --relu-attention for M models, --relu-activation for B and L models",
            do="leave the other out",
        )
    return asked[0] if asked else None


def chosen_formats(formats: list[str] | None) -> list[str] | None:
    """Names of the targets; None when none was named."""
    return all_formats() if formats and ALL in formats else formats or None


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) from "224" or "192x256". Raises UsageError for anything else."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise UsageError(
            got=f"size {text!r}", allowed="N or HEIGHTxWIDTH in pixels", do="pass for example --size 192x256"
        )
    return int(sides[0]), int(sides[-1])


def parse_numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    """Numbers of a list like "0.485,0.456,0.406". Raises UsageError for anything else."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            got=f"{option} {text!r}",
            allowed="numbers with commas between them",
            do=f"pass for example {option} 0.485,0.456,0.406",
        ) from None


def input_fields(options: ModelAndImages) -> dict[str, Any]:
    """The request's fields that texts and flags about the input become, where they were given. Raises UsageError."""
    values = {
        "size": parse_size(options.size),
        "mean": parse_numbers("--mean", options.mean),
        "std": parse_numbers("--std", options.std),
        "resize": None if options.squash is None else "squash" if options.squash else "cover",
    }
    return {name: value for name, value in values.items() if value is not None}


def parse_sizes(text: str | None) -> tuple[tuple[int, int], ...] | None:
    """(height, width) of each size in a list like "224,192x256". Raises UsageError as `parse_size`."""
    if text is None:
        return None
    parsed = [parse_size(part.strip()) for part in text.split(",")]
    return tuple(size for size in parsed if size is not None)


UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def parse_bytes(option: str, text: str | None) -> int | None:
    """Bytes from "12GB", "800M" or "1.5G". Raises UsageError for anything else."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if found is None or float(found[1]) == 0:
        raise UsageError(
            got=f"{option} {text!r}", allowed="a size above 0, as 12GB or 800M", do=f"pass for example {option} 12GB"
        )
    return int(float(found[1]) * UNITS[found[2]])
