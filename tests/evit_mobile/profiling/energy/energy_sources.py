"""Files that a kernel would write, and a phone with power rails, whose joules are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")


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
