"""What `profile` and `compare` say in the terminal, worked out by hand."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from evit_mobile.profiling.stored import NO_DIFFERENCE
from evit_mobile.report.profiles import (
    by_kind,
    by_module,
    comparison_table,
    field_lines,
    interval,
    latency_cells,
    load_and_first_run,
    operator_tables,
    ratio_line,
    reference_lines,
    remarks,
    sum_line,
)


def row(kind: str | None, module: str | None, ms: float) -> dict[str, Any]:
    return {"operator": f"an operator of {kind}", "kind": kind, "module": module, "delegated": True, "ms": ms}


ROWS = [
    row("CONV_2D", "stages.0.blocks.1.conv", 0.5),
    row("SOFTMAX", "stages.0.blocks.1.attention", 0.75),
    row(None, None, 0.125),
    row("CONV_2D", "head", 0.5),
]


@pytest.mark.parametrize(
    ("depth", "modules"),
    [
        (1, [("stages", 1.25), ("(other)", 0.125), ("head", 0.5)]),
        (3, [("stages.0.blocks", 1.25), ("(other)", 0.125), ("head", 0.5)]),
        (
            5,
            [("stages.0.blocks.1.conv", 0.5), ("stages.0.blocks.1.attention", 0.75), ("(other)", 0.125), ("head", 0.5)],
        ),
    ],
)
def test_times_by_module_are_in_the_order_of_execution(depth: int, modules: list[tuple[str, float]]) -> None:
    assert by_module(ROWS, depth) == modules


def test_times_by_kind_are_the_slowest_first() -> None:
    assert by_kind(ROWS) == [("convolution", 2, 1.0), ("softmax", 1, 0.75), ("an operator of None", 1, 0.125)]
    assert by_kind([]) == []


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (123.4, 120.0, 126.0, "123.4 ±3.0"),
        (1.23456, 1.22, 1.25, "1.235 ±0.015"),
        (250.0, 150.0, 350.0, "250 ±100"),
        (2.0, 2.0, 2.0, "2.000 ±0.000"),
    ],
)
def test_a_half_interval_has_two_digits(value: float, low: float, high: float, text: str) -> None:
    assert interval({"value": value, "low": low, "high": high}) == text


def item(**changes: Any) -> dict[str, Any]:
    """A record as far as tables read it."""
    estimate = {"value": 2.0, "low": 1.9, "high": 2.1}
    return {
        "artefact": {"name": "efficientvit_m0.tflite", "model": "efficientvit_m0", "macs": None},
        "latency_ms": {"p50": estimate, "p90": estimate, "p99": {"value": 3.0}, "runs": 200},
        "load_ms": 4.0,
        "first_run_ms": 3.0,
        "memory": {"peak_bytes": 150_000_000, "before_load_bytes": 100_000_000},
        "energy": {"mj_per_inference": {"value": 30.0, "low": 20.0, "high": 40.0}},
        "settings": {"bound": 0.01},
        "precise": True,
        "steady": True,
        "throttling": {"signs": []},
    } | changes


def test_a_row_of_latencies() -> None:
    name, *cells = latency_cells(item())
    assert str(getattr(name, "text", name)) == "m0.tflite"
    assert cells == ["2.00 ±0.10", "2.00", "3.00", "7", "50.0", "30 ±10", "200"]


def test_what_a_place_does_not_tell_is_a_dash() -> None:
    untold = item(load_ms=None, memory={"peak_bytes": None, "before_load_bytes": 1}, energy={"unavailable": "no"})
    assert latency_cells(untold)[4:7] == ["-", "-", "-"]
    assert load_and_first_run(untold) is None
    assert latency_cells(item(memory={"peak_bytes": 2_000_000, "before_load_bytes": None}))[5] == "2.0"


def test_what_limits_the_results_is_remarked() -> None:
    assert remarks([item()]) == []
    limited = item(
        precise=False,
        steady=False,
        throttling={"signs": ["2 thermal throttle events"]},
        energy={"unavailable": "no counters"},
    )
    assert remarks([limited]) == [
        "efficientvit_m0.tflite: the budget ended before the median was known within 1.0%",
        "efficientvit_m0.tflite: latencies were still falling when the warm-up ended",
        "efficientvit_m0.tflite: throttling: 2 thermal throttle events",
        "efficientvit_m0.tflite: energy unavailable: no counters",
    ]


def test_days_of_metrickit_are_lines() -> None:
    posts = [
        {"count": 140, "name": "inference", "median_at_most_ms": 4.0},
        {"count": 3, "name": "event", "median_at_most_ms": None},
    ]
    assert field_lines(item(metrickit=[{"end": "Monday", "signposts": posts}])) == [
        "MetricKit until Monday: 140 x inference, half of them within 4 ms",
        "MetricKit until Monday: 3 x event",
    ]
    assert field_lines(item()) == []


def test_each_model_is_named_once_beside_energy() -> None:
    known = item(artefact={"name": "a", "model": "efficientvit_m0", "macs": 79_400_000})
    (line,) = reference_lines([known, known, item()])
    assert line.count("79 M multiply-accumulates per inference of efficientvit_m0") == 1
    assert reference_lines([item()]) == []


def operators(**changes: Any) -> dict[str, Any]:
    return {
        "rows": ROWS,
        "whole_ms": 2.0,
        "profiled_ms": 2.2,
        "sum_ms": 1.875,
        "share": 0.9375,
        "unattributed_ms": 0.125,
        "rounding_ms": 0.004,
        "source": "a profiler",
    } | changes


def test_a_sum_says_what_is_missing_and_what_profiling_costs() -> None:
    assert sum_line(operators()) == (
        "sum 1.875 ms of 2.000 ms (94 %); unattributed 0.125 ms, rounding hides up to 0.004 ms,"
        " profiling adds 10 % (a profiler)"
    )
    assert "profiling adds" not in sum_line(operators(profiled_ms=None))
    assert sum_line(operators(estimated=True)) == "a profiler"


def printed(*parts: Any) -> list[list[str]]:
    """The words of every line."""
    console = Console(width=120, file=io.StringIO())
    console.print(*parts, sep="\n")
    return [line.split() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]  # the StringIO


def test_operators_are_a_table_by_kind_and_by_module() -> None:
    lines = printed(*operator_tables(item(operators=operators())))
    assert ["convolution", "2", "1.000", "50", "%", "stages.0.blocks", "1.250", "62", "%"] in lines
    assert ["softmax", "1", "0.750", "38", "%", "head", "0.500", "25", "%"] in lines
    assert ["outside", "operators", "0.125", "6", "%"] in lines


def test_operators_that_could_not_be_timed() -> None:
    (line,) = operator_tables(item(operators={"unavailable": "no compiler"}))
    assert str(line) == "efficientvit_m0.tflite: operators unavailable: no compiler"


def test_a_ratio_is_a_sentence() -> None:
    pair = {"artefact": "b.pte", "to": "a.tflite", "value": 1.5, "low": 1.45, "high": 1.5512}
    assert ratio_line(pair) == "b.pte takes 1.500 times as long as a.tflite (95 %: 1.450 to 1.551, paired)"


@pytest.mark.parametrize(
    ("verdict", "paired", "said"),
    [("faster", True, "paired): B is faster"), (NO_DIFFERENCE, False, "not paired): no difference seen")],
)
def test_a_comparison_is_a_paragraph(verdict: str, paired: bool, said: str) -> None:
    side = {"artefact": "a.tflite", "time": "Monday", "p50_ms": {"value": 2.0, "low": 1.9, "high": 2.1}}
    comparison = {
        "a": side,
        "b": side | {"artefact": "b.pte"},
        "paired": paired,
        "ratio": {"value": 0.5, "low": 0.25, "high": 1.0},
        "verdict": verdict,
        "cautions": ["different places: host and adb"],
    }
    lines = [" ".join(words) for words in printed(comparison_table({"comparisons": [comparison]}))]
    assert lines == [
        "A: a.tflite, Monday: 2.00 ±0.10 ms",
        "B: b.pte, Monday: 2.00 ±0.10 ms",
        f"B / A = 0.500 (95 %: 0.250 to 1.000, {said}",
        "different places: host and adb",
    ]
