"""What is told of something long: how far it is, at what rate, and what is left."""

from __future__ import annotations

import pytest

from evit_mobile.progress import Pace, duration


def test_pace_tells_rate_and_time_left_every_few_seconds() -> None:
    lines: list[str] = []
    now = 100.0
    pace = Pace(lines.append, "reading", 240, clock=lambda: now)
    for second in range(1, 13):
        now = 100.0 + second
        pace(2 * second)
    assert lines == [
        "reading: 10 of 240, 2 a second, 1 min 55 s left",
        "reading: 20 of 240, 2 a second, 1 min 50 s left",
    ]


def test_what_is_done_at_once_is_not_told_of() -> None:
    lines: list[str] = []
    pace = Pace(lines.append, "reading", 240)
    for done in range(240):
        pace(done + 1)
    assert lines == []


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s")])
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert duration(seconds) == words
