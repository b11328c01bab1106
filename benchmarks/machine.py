"""What the figures depend on besides the code: processor, cores, system, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`load` is the system's load average over a minute when the run began: other people's work."""

    cpu: str
    cores: int
    features: tuple[str, ...]
    system: str
    python: str
    load: float


FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimd", "asimddp", "i8mm")
"""Processor features that int8 and fp32 kernels choose by."""


def this_machine() -> Machine:
    facts = cpu_facts()
    present = (facts.get("flags") or facts.get("Features") or "").split()
    return Machine(
        cpu=facts.get("model name") or platform.processor() or platform.machine(),
        cores=usable_cores(),
        features=tuple(feature for feature in FEATURES if feature in present),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        load=os.getloadavg()[0],
    )


def machine_words(machine: Machine) -> str:
    return f"{hardware_words(machine)}, load average {machine.load:.1f}"


def hardware_words(machine: Machine) -> str:
    return f"{machine.cpu}, {machine.cores} cores ({' '.join(machine.features)}), {machine.system}"


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_facts() -> dict[str, str]:
    """The first processor's entries of /proc/cpuinfo; nothing on systems without it."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return {}
    first = listing.read_text().partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions, "absent" for what is not installed."""
    return {package: installed_version(package) for package in packages}


def installed_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
