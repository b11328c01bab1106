"""The whole measurement on a simulated machine and a simulated phone: known joules in, the same joules out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evit_mobile.profiling.energy import measure
from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading
from evit_mobile.profiling.energy.battery import Battery
from evit_mobile.profiling.energy.measure import ANDROID_BATTERY, android_sources, measure_energy
from tests.evit_mobile.profiling.energy.energy_sources import Phone


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


def measured(phone: Phone, *, force: bool = False) -> dict[str, Any]:
    return measure_energy(phone, 10.0, android_sources(phone.shell, phone.pull, force=force), phone.sleep)


@pytest.mark.parametrize(("offer", "source"), [("meter", "dumpsys"), ("trace", "Perfetto")])
def test_known_energy_in_the_same_energy_out(offer: str, source: str) -> None:
    phone = Phone(**{offer: True})
    energy = measured(phone)
    assert source in energy["source"]
    assert energy["mj_per_inference"]["value"] == pytest.approx(30.0, rel=0.01)
    assert energy["mj_per_inference_with_idle"]["value"] == pytest.approx(40.0, rel=0.01)
    assert energy["idle_w"]["value"] == pytest.approx(1.0, rel=0.01)
    assert phone.removed == (offer == "trace")


def test_without_rails_the_battery_is_asked_and_refuses_while_charging() -> None:
    phone = Phone(battery=True)
    phone.status = "Charging"
    reason = measured(phone)["unavailable"]
    for part in ("no power rails", "perfetto does not record", "battery is charging", "force"):
        assert part in reason
    assert "no power rails" in measured(Phone())["unavailable"]
    assert "does not tell its current" in measured(Phone())["unavailable"]


def test_the_battery_can_be_forced() -> None:
    """0.9 A at 4 V, whatever the phone does."""
    phone = Phone(battery=True)
    phone.status = "Charging"

    def battery() -> Battery:
        return Battery(
            clock=lambda: phone.now_s, folder=ANDROID_BATTERY, read=lambda path: phone.shell(f"cat {path}"), force=True
        )

    energy = measure_energy(phone, 10.0, [battery], phone.sleep)
    assert energy["average_w"]["value"] == pytest.approx(3.6)


class Closing(Machine):
    """A machine with a recording that has to be ended, whose counter may be reset while it runs."""

    closed = False

    def __init__(self, *, reset: bool = False) -> None:
        super().__init__()
        self.reset = reset

    def ask(self, request: str) -> dict[str, Any]:
        if self.reset:
            self.joules = -1.0
            return {}
        return super().ask(request)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("reset", [False, True])
def test_what_records_is_closed_after_errors_too(reset: bool) -> None:
    machine = Closing(reset=reset)
    found = measure.measure_energy(machine, 10.0, (lambda: machine,), machine.sleep)
    assert ("unavailable" in found) == reset
    assert machine.closed


def test_an_inference_of_many_seconds_runs_once_a_repetition() -> None:
    machine = Machine()
    assert measure.measure_energy(machine, 90_000.0, (lambda: machine,), machine.sleep)["inferences"] == 5
