"""The counters of `dumpsys`, as AOSP prints them."""

from __future__ import annotations

import pytest

from evit_mobile.profiling.energy.account import EnergyUnavailableError, between
from evit_mobile.profiling.energy.power_stats import COMMAND, PowerStats, parse
from tests.evit_mobile.profiling.energy.energy_sources import METER


def test_rails_that_come_go_or_fall() -> None:
    first = parse("10.0 1\n" + METER.format(big=1000, little=2000))
    second = parse("12.0 1\n" + METER.format(big=1500, little=2250))
    assert between(first, second).joules == pytest.approx(0.75)
    one_rail = parse(
        "12.0 1\n" + "\n".join(line for line in METER.format(big=1, little=1).splitlines() if "LITTLE" not in line)
    )
    with pytest.raises(EnergyUnavailableError, match="LITTLE"):
        between(first, one_rail)
    with pytest.raises(EnergyUnavailableError, match="fell"):
        between(second, parse("13.0 1\n" + METER.format(big=0, little=0)))
    with pytest.raises(EnergyUnavailableError, match="no power rails"):
        parse("10.0 1\nCan't find service: android.hardware.power.stats.IPowerStats/default\n")


def test_the_meter_is_read_and_consumers_are_not() -> None:
    """Milliwatt-seconds are thousandths of a joule; a display of 99 mWs stands above the meter."""
    asked: list[str] = []

    def shell(command: str) -> str:
        asked.append(command)
        return f"12.5 99.0\n{METER.format(big=1500, little=250.75)}"

    reading = PowerStats(shell).read()
    assert reading.time_s == 12.5
    assert list(reading.joules.values()) == [1.5, pytest.approx(0.25075)]
    assert [name.partition("]:")[2] for name in reading.joules] == ["CPU(BIG)", "CPU(LITTLE)"]
    assert asked == [COMMAND, COMMAND]


def test_a_device_without_an_uptime() -> None:
    with pytest.raises(EnergyUnavailableError, match="does not tell its uptime"):
        parse("cat: /proc/uptime: Permission denied\n" + METER.format(big=1, little=1))
