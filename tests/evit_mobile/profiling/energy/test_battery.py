"""Current times voltage, added up: known watts in, their joules out, and everything that makes a battery useless."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from evit_mobile.profiling.energy.account import EnergyUnavailableError, between
from evit_mobile.profiling.energy.battery import Battery
from evit_mobile.profiling.energy.battery import supply as find_supply
from tests.evit_mobile.profiling.energy.energy_sources import write


def supply(root: Path, status: str, microamperes: int, microvolts: int) -> None:
    folder = "sys/class/power_supply/BAT0"
    write(root, {f"{folder}/type": "Battery", f"{folder}/status": status})
    write(root, {f"{folder}/current_now": str(microamperes), f"{folder}/voltage_now": str(microvolts)})


def test_battery_integrates_current_times_voltage(tmp_path: Path) -> None:
    """0.5 A and then 1.5 A at 4 V, a second each, by trapezoids: 2 + 4 J. The sign of a discharge does not matter."""
    supply(tmp_path, "Discharging", -500_000, 4_000_000)
    now = [0.0]
    source = Battery(tmp_path, lambda: now[0])
    first = source.read()
    now[0] = 1.0
    source.read()
    supply(tmp_path, "Discharging", -1_500_000, 4_000_000)
    now[0] = 2.0
    assert between(first, source.read()).joules == pytest.approx(6.0)


def test_battery_refuses_charging_gaps_and_absence(tmp_path: Path) -> None:
    with pytest.raises(EnergyUnavailableError, match="no battery"):
        Battery(tmp_path)
    supply(tmp_path, "Charging", 900_000, 4_000_000)
    with pytest.raises(EnergyUnavailableError, match="is charging"):
        Battery(tmp_path)
    assert Battery(tmp_path, force=True).read().joules["battery"] >= 0
    supply(tmp_path, "Discharging", 900_000, 4_000_000)
    now = [0.0]
    source = Battery(tmp_path, lambda: now[0])
    now[0] = 5.0
    with pytest.raises(EnergyUnavailableError, match="without a sample"):
        source.read()


def test_a_charger_and_a_battery_without_a_current_are_no_supply(tmp_path: Path) -> None:
    folder = "sys/class/power_supply"
    write(tmp_path, {f"{folder}/AC/type": "Mains", f"{folder}/AC/current_now": "1"})
    write(tmp_path, {f"{folder}/BAT/type": "Battery", f"{folder}/BAT/status": "Discharging"})
    with pytest.raises(EnergyUnavailableError, match="no battery that tells its current"):
        find_supply(tmp_path)
    supply(tmp_path, "Discharging", 1, 1)
    assert find_supply(tmp_path) == tmp_path / folder / "BAT0"


def test_a_battery_elsewhere_is_read_through_its_own_shell() -> None:
    """2 A at 3.5 V for half a second are 3.5 J; what is no number is told."""
    told = {"status": "Discharging", "current_now": "2000000", "voltage_now": "3500000"}
    now = [7.0]
    source = Battery(clock=lambda: now[0], folder=PurePosixPath("/bat"), read=lambda path: told[path.name])
    before = source.read()
    now[0] = 7.5
    assert between(before, source.read()).joules == pytest.approx(3.5)
    told["current_now"] = "cat: no such file"
    with pytest.raises(EnergyUnavailableError, match=r"does not tell its current and voltage .*no such file"):
        source.read()
