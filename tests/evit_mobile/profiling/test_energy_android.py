"""Android's power rails and battery on a simulated device: known joules in, the same joules out, and everything that spoils them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.profiling.energy import perfetto
from evit_mobile.profiling.energy.account import EnergyUnavailableError, between
from evit_mobile.profiling.energy.battery import Battery
from evit_mobile.profiling.energy.measure import ANDROID_BATTERY, android_sources, measure_energy
from evit_mobile.profiling.energy.power_stats import parse
from evit_mobile.profiling.energy.powermetrics import PowerMetrics, total
from evit_mobile.profiling.energy.powermetrics import parse as parse_powermetrics

METER = """
============= PowerStats HAL 2.0 energy consumers ==============
                             DISPLAY          99.00 mWs
========== End of PowerStats HAL 2.0 energy consumers ==========

============= PowerStats HAL 2.0 energy meter ==============
                           Channel    Cumulative Energy
            [S2M_VDD_CPUCL2]:CPU(BIG)          {big:.2f} mWs
              [S4M_VDD_CPUCL0]:CPU(LITTLE)     {little:.2f} mWs
========== End of PowerStats HAL 2.0 energy meter ==========
"""
"""As PowerStats::dumpEnergyMeter of AOSP's hardware/google/pixel/powerstats prints it."""


def rails(
    session: int, samples: list[tuple[float, float, float]], *, ahead_s: float = 0.0, drift: float = 0.0
) -> bytes:
    """A trace of (time in s, joules of S1, joules of S2), written with Perfetto's own messages."""
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2

    trace = perfetto_trace_pb2.Trace()
    described = trace.packet.add().power_rails
    described.session_uuid = session
    for index, name in enumerate(("S1", "S2")):
        described.rail_descriptor.add(index=index, rail_name=name)
    for time_s, *joules in samples:
        packet = trace.packet.add(timestamp=round(1e9 * time_s))
        packet.power_rails.session_uuid = session
        for index, value in enumerate(joules):
            clock_s = time_s * (1 + drift) + ahead_s
            packet.power_rails.energy_data.add(
                index=index, timestamp_ms=round(1e3 * clock_s), energy=round(1e6 * value)
            )
    return trace.SerializeToString()


class Phone:
    """Idles at 1 W on two rails, and each inference takes 10 ms and 30 mJ more. Its clock goes on with `sleep`."""

    def __init__(self, **offers: bool) -> None:
        self.now_s, self.joules, self.offers = 1000.0, 50.0, offers
        self.status = "Discharging"
        self.history: list[tuple[float, float, float]] = []
        self.removed = False

    def sleep(self, seconds: float, watts: float = 1.0) -> None:
        for _ in range(round(seconds / 0.05)):
            self.history.append((self.now_s, 0.25 * self.joules, 0.75 * self.joules))
            self.now_s += 0.05
            self.joules += 0.05 * watts

    def ask(self, request: str) -> dict[str, Any]:
        self.sleep(0.01 * int(request.split()[1]), watts=4.0)
        return {}

    def shell(self, command: str) -> str:
        if "IPowerStats" in command:
            meter = METER.format(big=250 * self.joules, little=750 * self.joules) if self.offers.get("meter") else ""
            return f"{self.now_s:.2f} 5.0\n{meter}"
        if "perfetto --txt" in command:
            self.sleep(1.0)
            return "4711\n" if self.offers.get("trace") else "sh: perfetto: not found\n"
        if "kill -TERM" in command:
            assert "4711" in command
            self.sleep(1.0)
            self.removed = "rm -f /data/misc/perfetto-traces/" in command
        answers = {
            "status": self.status,
            "current_now": "-900000" if self.offers.get("battery") else "",
            "voltage_now": "4000000",
        }
        return next(
            (text for name, text in answers.items() if command.endswith(f"battery/{name}")), f"{self.now_s:.3f} 5.0\n"
        )

    def pull(self, _remote: str, local: Path) -> None:
        local.write_bytes(rails(7, self.history))


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


PLIST = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>is_delta</key><true/><key>elapsed_ns</key><integer>{elapsed_ns}</integer>
<key>timestamp</key><date>2026-11-24T18:00:00Z</date>
<key>processor</key><dict>{power}</dict>
</dict></plist>
"""
SILICON = "<key>cpu_power</key><real>1500</real><key>combined_power</key><real>{mw}</real>"


def powermetrics(*milliwatts: float) -> bytes:
    return b"".join(
        PLIST.format(elapsed_ns=100_000_000, power=SILICON.format(mw=mw)).encode() + b"\0" for mw in milliwatts
    )


def test_powermetrics_are_added_up() -> None:
    """Two samples of 0.1 s at 2 and 5 W: 0.7 J. A sample that is still being written does not count."""
    whole = parse_powermetrics(powermetrics(2000, 5000) + b"<?xml version")
    assert (total(whole).time_s, total(whole).joules) == (pytest.approx(0.2), {"processor": pytest.approx(0.7)})
    intel = PLIST.format(elapsed_ns=100_000_000, power="<key>package_joules</key><real>1.25</real>").encode() + b"\0"
    assert total(parse_powermetrics(intel)).joules == {"processor": 1.25}
    with pytest.raises(EnergyUnavailableError, match="no power of this processor"):
        total(parse_powermetrics(PLIST.format(elapsed_ns=1, power="").encode() + b"\0"))
    with pytest.raises(EnergyUnavailableError, match="no property list"):
        parse_powermetrics(b"powermetrics: unrecognized sampler\0")


def test_powermetrics_run_until_they_are_closed(tmp_path: Path) -> None:
    """A stand-in program that prints a sample of 0.1 s at 3 W over and over."""
    (tmp_path / "sample").write_bytes(powermetrics(3000))
    source = PowerMetrics(("sh", "-c", f"while cat {tmp_path}/sample; do sleep 0.02; done"))
    readings = [source.read() for _ in range(3)]
    source.close()
    for first, second in itertools.pairwise(readings):
        spent = between(first, second)
        assert spent.joules == pytest.approx(3.0 * spent.seconds)


@pytest.mark.parametrize(
    ("command", "reason"),
    [("echo not root >&2; exit 1", "not root.*run as root"), ("printf 'x\\0'; sleep 9", "no property")],
)
def test_powermetrics_that_fail(command: str, reason: str) -> None:
    with pytest.raises(EnergyUnavailableError, match=reason):
        PowerMetrics(("sh", "-c", command))
    with pytest.raises(EnergyUnavailableError, match="macOS"):
        PowerMetrics()
