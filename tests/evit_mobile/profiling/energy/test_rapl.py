"""Counters of a recorded tree: known joules in, the same joules out, each once."""

from __future__ import annotations

from pathlib import Path

import pytest

from evit_mobile.profiling.energy.account import EnergyUnavailableError, between
from evit_mobile.profiling.energy.rapl import Rapl, microjoules
from tests.evit_mobile.profiling.energy.energy_sources import write

WRAP_UJ = 262_143_328_850


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


def test_zones_of_another_kind_or_without_a_counter_are_left_out(tmp_path: Path) -> None:
    powercap(tmp_path, 1_000_000, 500_000)
    folder = "sys/class/powercap"
    write(tmp_path, {f"{folder}/intel-rapl:2/name": "package-1"})
    write(tmp_path, {f"{folder}/dtpm:0/name": "package-9", f"{folder}/dtpm:0/energy_uj": "1"})
    assert Rapl(tmp_path).read().joules == {"intel-rapl:0 package-0": 1.0, "intel-rapl:0:1 dram": 0.5}


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot be read"), ("many", "cannot be read .*many")])
def test_a_counter_that_tells_no_number(content: str | None, reason: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "energy_uj").write_text(content)
    with pytest.raises(EnergyUnavailableError, match=reason):
        microjoules(tmp_path / "energy_uj")
