"""The rows of the registry: each is a target whose name and suffix it repeats, and whose extra the package has."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import converters
from converters.qualcomm.socs import SOCS
from converters.registry import (
    COMPILED,
    DELEGATED,
    DELEGATES,
    FORMATS,
    SUFFIXES,
    TARGETS,
    Format,
    find_target,
    target_of,
)

EXTRAS = tomllib.loads((Path(converters.__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_row_is_its_target(row: Format) -> None:
    target = find_target(row.name)
    assert (target.name, target.suffix) == (row.name, row.suffix)
    assert set(filter(None, row.extra.split(","))) <= EXTRAS.keys()
    assert target_of(Path(f"a.int8{row.suffix}")) == row.name
    assert isinstance(target.evaluated, bool)
    assert isinstance(target.several_sizes, bool)
    assert isinstance(target.takes_pixels, bool)


def test_the_tables_follow_from_the_rows() -> None:
    assert list(TARGETS) == ["coreml", "coreai", "tflite", "executorch", "onnx"]
    assert list(DELEGATED) == [
        "executorch-coreml",
        "executorch-vulkan",
        "executorch-vgf",
        *(soc.format_of(name) for name in COMPILED for soc in SOCS.values()),
    ]
    assert DELEGATES == {
        "executorch": {
            "xnnpack": "executorch",
            "coreml": "executorch-coreml",
            "vulkan": "executorch-vulkan",
            "vgf": "executorch-vgf",
        }
    }
    assert len(SUFFIXES) == len(FORMATS)
