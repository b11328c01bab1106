"""What places with a session per artefact give: latencies, and energy where it can be read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from evit_mobile.profiling import measured
from evit_mobile.profiling.measured import NO_OPERATORS, Asked, in_sessions
from evit_mobile.profiling.protocol import Measurement, Session, Settings


class Silent:
    """A session that nobody asks, for the protocol is replaced."""

    def ask(self, request: str) -> dict[str, Any]:
        raise AssertionError(request)


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[Silent]:
    """Two sessions, of 2 and 4 ms."""

    def measure(opened: Sequence[Session], *_: object) -> list[Measurement]:
        return [Measurement(loaded={}, latencies_ms=[1.0, 2.0 * n, 9.0]) for n, _ in enumerate(opened, 1)]

    monkeypatch.setattr(measured, "measure", measure)
    monkeypatch.setattr(measured, "measure_energy", lambda _session, ms, sources: {"ms": ms, "of": sources})
    return [Silent(), Silent()]


def test_energy_is_that_of_each_session_at_its_latency(sessions: list[Silent]) -> None:
    told: list[str] = []
    found = in_sessions(sessions, Asked(settings=Settings()), told.append, lambda session: (session,))  # type: ignore[arg-type, return-value]  # no source
    assert [one.energy for one in found] == [
        {"ms": ms, "of": (session,)} for ms, session in zip((2.0, 4.0), sessions, strict=True)
    ]
    assert [one.median_ms for one in found] == [2.0, 4.0]
    assert told == ["measuring energy"] * 2


def test_where_energy_cannot_be_read_the_record_says_so(sessions: list[Silent]) -> None:
    (first, second) = in_sessions(sessions, Asked(settings=Settings()), pytest.fail, None)
    assert "unavailable" in first.energy
    assert second.operators == NO_OPERATORS
