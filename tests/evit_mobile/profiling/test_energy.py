"""Known joules in, the same joules out: recorded trees written here, and everything that makes a reading useless."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.profiling.energy import measure
from evit_mobile.profiling.energy.account import EnergyUnavailableError, Interval, Reading, between, entry
from evit_mobile.profiling.energy.battery import Battery
from evit_mobile.profiling.energy.rapl import Rapl

WRAP_UJ = 262_143_328_850


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


def powercap(root: Path, package_uj: int, memory_uj: int) -> None:
    """A desktop's tree: a package with its cores and memory, and a platform zone that holds everything again."""
    zones = {
        "0": ("package-0", package_uj),
        "0:0": ("core", package_uj // 2),
        "0:1": ("dram", memory_uj),
        "1": ("psys", 7),
    }
    for number, (name, energy) in zones.items():
        folder = f"sys/class/powercap/intel-rapl:{number}"
        write(root, {f"{folder}/name": name, f"{folder}/energy_uj": str(energy)})
        write(root, {f"{folder}/max_energy_range_uj": str(WRAP_UJ)})


def test_rapl_adds_package_and_memory_once(tmp_path: Path) -> None:
    powercap(tmp_path, 1_000_000, 500_000)
    now = [0.0]
    source = Rapl(tmp_path, lambda: now[0])
    before = source.read()
    powercap(tmp_path, 13_000_000, 2_500_000)
    now[0] = 2.0
    spent = between(before, source.read(), source.wrap_joules)
    assert (spent.seconds, spent.joules) == (2.0, pytest.approx(14.0))


def test_rapl_wraps_around(tmp_path: Path) -> None:
    powercap(tmp_path, WRAP_UJ - 3_000_000, 0)
    now = [0.0]
    source = Rapl(tmp_path, lambda: now[0])
    before = source.read()
    powercap(tmp_path, 2_000_000, 0)
    now[0] = 1.0
    assert between(before, source.read(), source.wrap_joules).joules == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("files", "reason"), [({}, "no powercap"), ({"sys/class/powercap/dtpm/name": "x"}, "no RAPL zone")]
)
def test_machines_without_counters(files: dict[str, str], reason: str, tmp_path: Path) -> None:
    write(tmp_path, files)
    with pytest.raises(EnergyUnavailableError, match=reason):
        Rapl(tmp_path)


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


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (Reading(time_s=1.0, joules={"a": 5.0}), "came or went during the measurement: b"),
        (Reading(time_s=-1.0, joules={"a": 5.0, "b": 5.0}), "backwards"),
        (Reading(time_s=0.0, joules={"a": 5.0, "b": 5.0}), "stood still"),
        (Reading(time_s=1.0, joules={"a": 0.5, "b": 5.0}), "counter of a fell"),
    ],
)
def test_readings_that_do_not_fit(after: Reading, reason: str) -> None:
    with pytest.raises(EnergyUnavailableError, match=reason):
        between(Reading(time_s=0.0, joules={"a": 1.0, "b": 1.0}), after)


def repeated(watts: float, inferences: int = 0) -> list[Interval]:
    return [Interval(seconds=1.0, joules=watts + delta, inferences=inferences) for delta in (-0.01, 0.0, 0.01, 0.0)]


def test_idle_power_is_subtracted() -> None:
    """3 W idle, 8 W busy, 100 inferences a second: 50 mJ each, 80 mJ with the idle share."""
    result = entry(repeated(3.0), repeated(8.0, 100), source="s", resolution_mj=0.1)
    energy = result["mj_per_inference"]
    assert energy["low"] < 50 < energy["high"]
    assert energy["value"] == pytest.approx(50)
    assert energy["high"] - energy["low"] < 1
    assert result["mj_per_inference_with_idle"]["value"] == pytest.approx(80)
    assert (result["average_w"]["value"], result["idle_w"]["value"]) == (pytest.approx(8), pytest.approx(3))


def test_what_is_too_coarse_or_too_short_is_unavailable() -> None:
    with pytest.raises(EnergyUnavailableError, match="steps of 1000 mJ"):
        entry(repeated(3.0), repeated(8.0, 100), source="s", resolution_mj=1000)
    with pytest.raises(EnergyUnavailableError, match="fewer than two"):
        entry(repeated(3.0)[:1], repeated(8.0, 100), source="s", resolution_mj=0.1)


class Machine:
    """A simulated machine: idles at 3 W, and each inference takes 10 ms and 40 mJ more."""

    source, resolution_mj, wrap_joules = "simulated", 0.1, None

    def __init__(self) -> None:
        self.time_s = self.joules = 0.0

    def read(self) -> Reading:
        return Reading(time_s=self.time_s, joules={"all": self.joules})

    def sleep(self, seconds: float) -> None:
        self.time_s += seconds
        self.joules += 3 * seconds

    def ask(self, request: str) -> dict[str, Any]:
        count = int(request.split()[1])
        self.sleep(count * 0.01)
        self.joules += count * 0.04
        return {}


def test_the_whole_measurement() -> None:
    machine = Machine()
    result = measure.measure_energy(machine, 10.0, (lambda: machine,), machine.sleep)
    assert result["mj_per_inference"]["value"] == pytest.approx(40)
    assert result["inferences"] == 500


def test_every_reason_is_given() -> None:
    def failing(reason: str) -> Callable[[], measure.Source]:
        def make() -> measure.Source:
            raise EnergyUnavailableError(reason)

        return make

    sources = (failing("no counter"), failing("no battery"))
    assert measure.measure_energy(Machine(), 10.0, sources) == {"unavailable": "no counter; no battery"}
