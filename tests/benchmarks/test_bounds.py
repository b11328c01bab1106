"""What bounds a file: the share of convolutions, and the ratio to stock that would be left of them alone."""

from __future__ import annotations

from benchmarks.bounds import HEADINGS, Bound, Kind, bounds_section, of_stock, reach, row
from benchmarks.machine import this_machine
from benchmarks.results import from_json, to_json
from tests.benchmarks.benchmark_results import comparison


def bound(model: str = "efficientvit_m0", precision: str = "int8") -> Bound:
    return Bound(
        model=model,
        runtime="litert",
        precision=precision,
        sha256="0" * 64,
        date="2026-11-30 18:00",
        machine=this_machine(),
        whole_ms=1.0,
        kinds=(
            Kind(name="convolution", count=3, ms=0.5),
            Kind(name="softmax", count=2, ms=0.1),
            Kind(name="depthwise convolution", count=1, ms=0.2),
            Kind(name="addition", count=4, ms=0.2),
        ),
    )


def test_convolutions_of_every_kind_are_their_share_of_the_operators() -> None:
    assert row(bound(), 0.5) == (
        *("efficientvit_m0", "litert", "int8", "70 %", "0.50", "0.40", "0.35", "33 %"),
        "4 x addition 20 %, 2 x softmax 10 %",
    )
    assert len(row(bound(), None)) == len(HEADINGS)


def test_without_a_ratio_to_stock_there_is_no_bound_of_it() -> None:
    assert of_stock(bound("efficientvit_b3"), [comparison()]) is None
    assert row(bound(), None)[4:8] == ("-", "0.40", "-", "-")


def test_what_a_goal_leaves_to_the_rest() -> None:
    assert [reach(bound(), stock)[3] for stock in (0.4, 0.5, 0.6)] == ["all, reached", "33 %", "nothing is enough"]
    assert reach(bound("efficientvit_l1"), 0.5) == ("0.50", "-", "0.35", "-")


def test_results_are_read_back_and_none_give_no_section() -> None:
    assert from_json(Bound, to_json(bound())) == bound()
    assert bounds_section([], []) == ""
    assert "| efficientvit_m0 | litert | int8 |" in bounds_section([bound()], [])
