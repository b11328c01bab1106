"""Property lists as powermetrics prints them: known watts in, their joules out, and programs that fail."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from evit_mobile.profiling.energy.account import EnergyUnavailableError, between
from evit_mobile.profiling.energy.powermetrics import PowerMetrics, total
from evit_mobile.profiling.energy.powermetrics import parse as parse_powermetrics

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
