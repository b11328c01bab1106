"""Rails of a trace that Perfetto's own messages write: known joules in, the same joules out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evit_mobile.errors import DeviceError
from evit_mobile.profiling.energy import perfetto
from evit_mobile.profiling.energy.account import EnergyUnavailableError, between
from tests.evit_mobile.profiling.energy.energy_sources import Phone, rails

SAMPLES = [(10.0 + 0.1 * step, 0.1 * step, 0.3 * step) for step in range(50)]


@pytest.mark.parametrize("ahead_s", [0.0, 0.02, 4000.0])
def test_a_trace_whose_clocks_differ(ahead_s: float, tmp_path: Path) -> None:
    """4 W on two rails; a rail clock with another start is taken back to the trace's."""
    (tmp_path / "trace").write_bytes(rails(1, SAMPLES, ahead_s=ahead_s))
    found = perfetto.read_rails(tmp_path / "trace")
    assert set(found) == {"S1", "S2"}
    spent = between(perfetto.at(found, 11.05), perfetto.at(found, 13.05))
    assert (spent.seconds, spent.joules) == (pytest.approx(2.0), pytest.approx(8.0, rel=0.001))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: rails(1, SAMPLES, drift=0.2), "drifted"),
        (lambda: rails(1, []), "no power rails"),
        (lambda: b"\x0a\xff\xff", "cannot be read"),
        (lambda: rails(1, SAMPLES[:20]), "not at 13.0 s"),
        (
            lambda: rails(1, [*SAMPLES[:25], *((time, joules - 1, other) for time, joules, other in SAMPLES[25:])]),
            "S1 fell",
        ),
    ],
    ids=["clock drift", "no rails", "damaged", "too short", "counter reset"],
)
def test_traces_that_cannot_be_used(content: Callable[[], bytes], reason: str, tmp_path: Path) -> None:
    (tmp_path / "trace").write_bytes(content())
    with pytest.raises(EnergyUnavailableError, match=reason):
        perfetto.at(perfetto.read_rails(tmp_path / "trace"), 13.0)


def test_counters_between_two_samples_are_interpolated() -> None:
    found = perfetto.at({"S1": ([10.0, 12.0], [1.0, 5.0]), "S2": ([9.0, 13.0], [0.0, 4.0])}, 10.5)
    assert (found.time_s, found.joules) == (10.5, {"S1": 2.0, "S2": 1.5})


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perfetto, "find_spec", lambda _name: None)
    with pytest.raises(EnergyUnavailableError, match=r"pip install 'evit-mobile\[perfetto\]'"):
        perfetto.PerfettoRails(lambda _: pytest.fail("the device was asked"), lambda *_: None)


def test_a_device_that_is_gone_does_not_hide_what_went_wrong() -> None:
    phone, gone = Phone(trace=True), [False]

    def shell(command: str) -> str:
        if gone[0]:
            raise DeviceError(got="the device is gone", allowed="one that stays", do="connect it")
        return phone.shell(command)

    source = perfetto.PerfettoRails(shell, phone.pull)
    gone[0] = True
    source.close()
