"""The last resort on Android and Linux: the battery's current times its voltage, sampled. Refused while charging unless forced."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path, PurePath

from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading

SOURCE = "battery current times voltage, sampled (whole device, coarse)"
RESOLUTION_MJ = 100.0
"""Fuel gauges renew current a few times a second at best."""

MAXIMUM_GAP_S = 2.0


class Battery:
    """Adds up power over the calls of `read`, by trapezoids. `root` is / of the machine, another folder in tests; of another machine
    `folder` names the battery's folder there and `read` gives a file's line."""

    source = SOURCE
    resolution_mj = RESOLUTION_MJ
    wrap_joules: dict[str, float] | None = None

    def __init__(
        self,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
        *,
        force: bool = False,
        folder: PurePath | None = None,
        read: Callable[[PurePath], str] | None = None,
    ) -> None:
        self._folder, self._text = folder or supply(root), read or text
        self._clock, self._force = clock, force
        self._joules, self._last = 0.0, (self._clock(), self._watts())

    def read(self) -> Reading:
        """The energy since the start. Call it at least every two seconds. Raises EnergyUnavailableError."""
        now, watts = self._clock(), self._watts()
        before, previous = self._last
        if now - before > MAXIMUM_GAP_S:
            raise EnergyUnavailableError(f"{now - before:.1f} s without a sample of the battery")
        self._joules += (now - before) * (watts + previous) / 2
        self._last = (now, watts)
        return Reading(time_s=now, joules={"battery": self._joules})

    def _watts(self) -> float:
        """Power out of the battery now. Microamperes times microvolts; devices disagree on the sign of a discharge."""
        status = self._text(self._folder / "status")
        if status != "Discharging" and not self._force:
            raise EnergyUnavailableError(
                f"the battery is {status.lower()}: its current is not what the device takes; unplug it, or force it"
            )
        try:
            microamperes, microvolts = (int(self._text(self._folder / name)) for name in ("current_now", "voltage_now"))
        except ValueError as error:
            raise EnergyUnavailableError(f"the battery does not tell its current and voltage ({error})") from None
        return abs(microamperes) * microvolts / 1e12


def supply(root: Path) -> Path:
    """The folder of the battery. Raises EnergyUnavailableError."""
    for folder in sorted((root / "sys/class/power_supply").glob("*")):
        if (folder / "type").exists() and text(folder / "type") == "Battery" and (folder / "current_now").exists():
            return folder
    raise EnergyUnavailableError("no battery that tells its current")


def text(path: PurePath) -> str:
    """A file's line. Raises EnergyUnavailableError."""
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise EnergyUnavailableError(f"{path} cannot be read ({error})") from None
