"""The protocol on simulated sessions, whose latencies are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evit_mobile.errors import UsageError
from evit_mobile.profiling import protocol
from evit_mobile.profiling.protocol import Measurement, Settings, measure, throttling
from evit_mobile.progress import silent
from evit_mobile.statistics import ratio


class Simulated:
    """Answers as a worker does; `latency` gives the n-th run's in ms. Time passes on the `clock` of all sessions."""

    def __init__(self, clock: list[float], latency: Callable[[int], float], log: list[str], name: str = "") -> None:
        self._clock, self._latency, self._log, self._name, self._runs = clock, latency, log, name, 0

    def ask(self, request: str) -> dict[str, Any]:
        self._log.append(f"{self._name}{request}")
        if request == "load":
            return {"runtime": {}, "load_ms": 10.0, "first_run_ms": 5.0}
        if request == "facts":
            return {}
        latencies = [self._latency(self._runs + index) for index in range(int(request.split()[1]))]
        self._runs += len(latencies)
        self._clock[0] += sum(latencies) / 1e3
        return {"latencies_ms": latencies}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(protocol.time, "monotonic", lambda: now[0])
    return now


def noise(seed: int) -> Callable[[int], float]:
    random = np.random.default_rng(seed)
    return lambda _run: float(1 + 0.02 * random.standard_normal())


def test_blocks_are_interleaved_and_stop_at_the_bound(clock: list[float]) -> None:
    log: list[str] = []
    sessions = [Simulated(clock, noise(0), log, "A "), Simulated(clock, noise(1), log, "B ")]
    first, second = measure(sessions, Settings(bound=0.01), silent)
    timed = [entry for entry in log[log.index("B facts") + 1 :] if "run" in entry]
    assert [entry[0] for entry in timed] == ["A", "B"] * (len(timed) // 2)
    assert first.precise
    assert second.precise
    assert 200 <= len(first.latencies_ms) < 1000
    assert len(first.blocks_ms) == len(second.blocks_ms) == len(timed) // 2
    assert ratio(second.blocks_ms, first.blocks_ms).value == pytest.approx(1, abs=0.02)


def test_the_warm_up_ends_when_latencies_stop_falling(clock: list[float]) -> None:
    random = np.random.default_rng(0)
    session = Simulated(clock, lambda run: 1 + 3 * np.exp(-run / 50) + 0.01 * random.standard_normal(), [])
    (measurement,) = measure([session], Settings(), silent)
    assert measurement.steady
    assert 100 < len(measurement.warm_up_ms) < 500
    assert np.median(measurement.latencies_ms) == pytest.approx(1, abs=0.05)


def test_the_budget_ends_what_is_too_noisy(clock: list[float]) -> None:
    random = np.random.default_rng(0)
    session = Simulated(clock, lambda _run: float(10 * random.exponential()), [])
    (measurement,) = measure([session], Settings(bound=0.001, budget_s=5), silent)
    assert not measurement.precise
    assert clock[0] < 5 + 0.3 * 5 + 1


def test_throttling_is_detected_by_latency_events_and_clock() -> None:
    random = np.random.default_rng(0)
    latencies = list((1 + 0.01 * random.standard_normal(600)) * np.repeat([1.0, 1.1, 1.3], 200))
    measurement = Measurement(
        loaded={},
        latencies_ms=latencies,
        before={"frequency_mhz": [2000.0, 2000.0], "throttle_events": 3, "thermal_status": "Thermal Status: 0"},
        after={
            "frequency_mhz": [1500.0, 1600.0],
            "throttle_events": 5,
            "cores": 2,
            "thermal_status": "Thermal Status: 3",
        },
    )
    change, signs = throttling(measurement)
    assert change.value == pytest.approx(1.3, abs=0.02)
    assert [sign.split(" (")[0] for sign in signs] == [
        "latency rose by 30 % during the measurement",
        "2 thermal throttle events",
        "clock fell from 2000 to 1600 MHz",
        "thermal status went from Thermal Status: 0 to Thermal Status: 3",
    ]
    steady = Measurement(loaded={}, latencies_ms=list(1 + 0.01 * random.standard_normal(600)))
    assert throttling(steady)[1] == []


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"bound": 0.0}, {"bound": 1.0}, {"budget_s": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)
