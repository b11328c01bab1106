"""The ranking of modules, for programs and for people."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from evit_mobile.commands.sensitivity import Sensitivity
from evit_mobile.quantization.sensitivity import ModuleHarm
from evit_mobile.report.sensitivity_table import SHOWN, sensitivity_entry, sensitivity_table
from evit_mobile.strict_json import to_json


def result(count: int, *notes: str) -> Sensitivity:
    modules = [
        ModuleHarm(module=f"stages.{place}" if place else "", output_sqnr_db=30.06, module_sqnr_db=35.0, share=0.625)
        for place in range(count)
    ]
    return Sensitivity(
        model="efficientvit_m0",
        weights="bundled",
        images=32,
        predicted_sqnr_db=24.5,
        measured_sqnr_db=25.12,
        modules=modules,
        notes=notes,
    )


def printed(document: dict[str, Any]) -> list[str]:
    console = Console(width=120, file=io.StringIO())
    console.print(sensitivity_table(document))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]  # the StringIO


def test_the_entry_is_what_json_reads_back() -> None:
    entry = sensitivity_entry(result(1, "a note"))
    assert json.loads(to_json(entry)) == entry | {"notes": ["a note"]}
    assert entry["modules"][0] == {"module": "", "output_sqnr_db": 30.06, "module_sqnr_db": 35.0, "share": 0.625}


def test_a_row_is_a_module_and_the_top_has_a_name() -> None:
    lines = printed(sensitivity_entry(result(2, "3 files were not read")))
    assert "efficientvit_m0, weights: bundled" in lines
    assert "(top) 62.5 % 30.1 35.0" in lines
    assert "stages.1 62.5 % 30.1 35.0" in lines
    assert lines[-2:] == [
        "images: 3 files were not read",
        "all of them int8: 25.1 dB measured, 24.5 dB predicted, 32 calibration images",
    ]


@pytest.mark.parametrize(
    ("count", "said"), [(SHOWN, "all of them"), (SHOWN + 3, "3 more modules, see --json; all of them")]
)
def test_what_is_not_shown_is_counted(count: int, said: str) -> None:
    lines = printed(sensitivity_entry(result(count)))
    assert lines[-1].startswith(said)
    assert sum("62.5 %" in line for line in lines) == SHOWN
