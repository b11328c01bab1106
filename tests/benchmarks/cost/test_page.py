"""The table of costs."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.cost.page import HEADINGS, cost_section, read_costs, row, seconds
from benchmarks.cost.results import Cost
from benchmarks.cost.usage import Usage
from benchmarks.machine import this_machine
from benchmarks.results import to_json


def cost(name: str = "photos", theirs: int = 3) -> Cost:
    return Cost(
        name=name,
        title=f"the {name}",
        peer="38f8110",
        build="abcdef0",
        date="2026-11-30 18:00",
        machine=this_machine(),
        ours=tuple(Usage(cpu_s=value, wall_s=9.0, peak_bytes=100_000_000) for value in (1.0, 2.0, 6.0)),
        theirs=tuple(Usage(cpu_s=value, wall_s=9.0, peak_bytes=80_000_000) for value in (4.0, 4.0, 4.0)[:theirs]),
        time=0.4,
    )


def test_ratios_are_of_each_turn() -> None:
    expected = ("the photos", "38f8110", "3", "2.0", "4.0", "0.50", "0.40", "100", "80", "1.25", "-")
    assert row(cost()) == (*expected, "2026-11-30 18:00, abcdef0")
    assert len(row(cost())) == len(HEADINGS)


def test_short_times_keep_two_digits() -> None:
    assert [seconds([value]) for value in (0.01234, 0.6, 1.26, 539.14)] == ["0.012", "0.6", "1.3", "539.1"]


def test_without_a_peer_there_is_no_ratio() -> None:
    cells = row(cost(theirs=0))
    assert (cells[1], cells[4], cells[5], cells[8], cells[9]) == ("-", "-", "-", "-", "-")


def test_results_are_read_in_the_order_of_the_tasks(tmp_path: Path) -> None:
    for one in (cost("validate"), cost("efficientvit_m0"), cost("photos")):
        (tmp_path / f"{one.name}.json").write_text(json.dumps(to_json(one)))
    costs = read_costs(tmp_path)
    assert costs == [cost("efficientvit_m0"), cost("photos"), cost("validate")]
    assert [line.split(" | ")[0] for line in cost_section(costs).splitlines() if line.startswith("| the")] == [
        "| the efficientvit_m0",
        "| the photos",
        "| the validate",
    ]


def test_without_results_there_is_no_section(tmp_path: Path) -> None:
    assert cost_section(read_costs(tmp_path / "none")) == ""
