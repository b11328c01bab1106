"""Android's power rails (ODPM): the cumulative counters that the power stats service of a Pixel tells in `dumpsys`.

Form of the text: hardware/google/pixel/powerstats of AOSP, PowerStats::dumpEnergyMeter (aidl/PowerStats.cpp): a heading, then per
channel its name in brackets, its subsystem and "N mWs".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading

SOURCE = "power rails (ODPM) of dumpsys"
RESOLUTION_MJ = 0.01
"""Two decimals of a milliwatt-second."""

COMMAND = "cat /proc/uptime; dumpsys android.hardware.power.stats.IPowerStats/default"
METER = re.compile(
    r"^=+ PowerStats HAL 2\.0 energy meter =+$(.*?)^=+ End of PowerStats HAL 2\.0 energy meter", re.M | re.S
)
CHANNEL = re.compile(r"^\s*(\S.*?)\s+(\d+\.\d+) mWs", re.M)


class PowerStats:
    """All rails of a device behind `shell`, which runs a command there and returns what it prints."""

    source = SOURCE
    resolution_mj = RESOLUTION_MJ
    wrap_joules: dict[str, float] | None = None

    def __init__(self, shell: Callable[[str], str]) -> None:
        self._shell = shell
        self.read()

    def read(self) -> Reading:
        """All counters now, on the device's clock. Raises EnergyUnavailableError, DeviceError."""
        return parse(self._shell(COMMAND))


def parse(text: str) -> Reading:
    """The counters in what `COMMAND` printed. Raises EnergyUnavailableError when there are none."""
    meter = METER.search(text)
    rails = {name: float(value) / 1e3 for name, value in CHANNEL.findall(meter[1])} if meter else {}
    if not rails:
        raise EnergyUnavailableError("no power rails in `dumpsys android.hardware.power.stats.IPowerStats/default`")
    try:
        return Reading(time_s=float(text.split(maxsplit=1)[0]), joules=rails)
    except ValueError:
        raise EnergyUnavailableError("the device does not tell its uptime") from None
