"""Whether Apple's coreai wheels are usable here. Imports nothing heavy: what needs them runs in a process of its own (child.py)."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

PINNED = {"coreai-core": "1.0.0b3", "coreai-torch": "0.4.3"}
"""A beta whose interface moves: other versions were not tried."""

INSTALL = "pip install 'evit-mobile[coreai]'"
NEWEST_PYTHON = (3, 14)
OLDEST_GLIBC = (2, 34)


def missing() -> str | None:
    """None when assets can be written and run here, else what is missing and how to get it."""
    if unfit := unfit_machine():
        return unfit
    try:
        found = {name: metadata.version(name) for name in PINNED}
    except metadata.PackageNotFoundError as absent:
        return f"{absent.name} is not installed: {INSTALL}"
    if found != PINNED:
        listed, wanted = (", ".join(f"{name} {version}" for name, version in each.items()) for each in (found, PINNED))
        return f"{listed} is installed, where {wanted} is what was tried: {INSTALL}"
    return None


def unfit_machine() -> str | None:
    """Why there are no wheels for this machine, None where there are."""
    if sys.version_info[:2] > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        return f"coreai-core has no wheel for Python {platform.python_version()}: take 3.11 to {newest}, and {INSTALL}"
    library, version = platform.libc_ver()
    if sys.platform == "linux" and (library != "glibc" or _parts(version) < OLDEST_GLIBC):
        oldest = ".".join(map(str, OLDEST_GLIBC))
        found = f"{library} {version}".strip() or "another C library"
        return (
            f"coreai-core needs glibc {oldest}, this system has {found}: take Debian 12 or Ubuntu 22.04, and {INSTALL}"
        )
    return None


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def versions() -> dict[str, str]:
    """Versions of what makes an asset."""
    return {name: metadata.version(name) for name in (*PINNED, "torch")}
