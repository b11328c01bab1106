"""Linux powercap: the energy counters of Intel's and AMD's processors (RAPL), for the package and, where separate, the memory.

Documentation/power/powercap/powercap.rst of the kernel: `energy_uj` counts microjoules and wraps at `max_energy_range_uj`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading

SOURCE = "RAPL counters of the processor package (Linux powercap)"
RESOLUTION_MJ = 0.061
"""One step of the counter on most processors: 2^-14 J."""

COUNTED = ("package", "dram", "psys")


class Rapl:
    """The counters below a folder. `root` is / of the machine, another folder in tests."""

    source = SOURCE
    resolution_mj = RESOLUTION_MJ

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._zones = counters(root / "sys/class/powercap")
        self._clock = clock
        self.wrap_joules: dict[str, float] | None = {
            rail: microjoules(zone / "max_energy_range_uj") for rail, zone in self._zones.items()
        }

    def read(self) -> Reading:
        """All counters now. Raises EnergyUnavailableError."""
        return Reading(
            time_s=self._clock(),
            joules={rail: microjoules(zone / "energy_uj") for rail, zone in self._zones.items()},
        )


def counters(folder: Path) -> dict[str, Path]:
    """Zone name -> folder of the zones to add up. Cores are part of their package, and everything is part of psys."""
    if not folder.is_dir():
        raise EnergyUnavailableError(f"no {folder}: the kernel offers no powercap (virtual machines never do)")
    zones = {}
    for zone in sorted(folder.glob("*-rapl:*")):
        try:
            name = (zone / "name").read_text().strip()
        except OSError:
            continue
        if name.startswith(COUNTED) and (zone / "energy_uj").exists():
            zones[f"{zone.name} {name}"] = zone
    packages = {rail: zone for rail, zone in zones.items() if "psys" not in rail}
    if not packages:
        raise EnergyUnavailableError(f"no RAPL zone in {folder}")
    return packages


def microjoules(path: Path) -> float:
    """The number in a file, in joules. Raises EnergyUnavailableError."""
    try:
        return int(path.read_text()) / 1e6
    except PermissionError:
        raise EnergyUnavailableError(f"{path} is for root only: run as root, or chmod it") from None
    except (OSError, ValueError) as error:
        raise EnergyUnavailableError(f"{path} cannot be read ({error})") from None
