"""Android's power rails from a Perfetto trace (data source android.power): cumulative counters per rail, a sample every 100 ms.

The trace is recorded while the repetitions run and read afterwards; counters at the ends of a repetition are interpolated between
samples. Messages: protos/perfetto/trace/perfetto_trace.proto, PowerRails, as in the package `perfetto`.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from evit_mobile.errors import DeviceError
from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading

SOURCE = "power rails (ODPM) of a Perfetto trace"
RESOLUTION_MJ = 1e-3
TRACE = "/data/misc/perfetto-traces/evit-mobile.pftrace"
CONFIG = """buffers { size_kb: 4096 }
data_sources { config { name: "android.power"
  android_power_config { battery_poll_ms: 250 collect_power_rails: true } } }
duration_ms: 120000
"""
SAME_CLOCK_S = 1.0
"""Rails are sampled up to this long before the packet is written; a greater difference is another clock, and is taken off."""

MAXIMUM_DRIFT_S = 0.5
"""How much the two may move against each other during a trace."""


class PerfettoRails:
    """Records on the device behind `shell`; `pull(remote, local)` copies the trace here."""

    source = SOURCE
    resolution_mj = RESOLUTION_MJ
    wrap_joules: dict[str, float] | None = None

    def __init__(self, shell: Callable[[str], str], pull: Callable[[str, Path], None]) -> None:
        if find_spec("perfetto") is None:
            raise EnergyUnavailableError(
                "no Perfetto trace without the package perfetto: pip install 'evit-mobile[perfetto]'"
            )
        self._shell, self._pull = shell, pull
        record = f"printf %s {shlex.quote(CONFIG)} | perfetto --txt -c - -o {TRACE} --background 2>&1"
        started = shell(f"{record} && sleep 1").split()
        if not started or not started[-1].isdigit():
            raise EnergyUnavailableError(f"perfetto does not record on the device ({' '.join(started)[-80:]})")
        self._process = started[-1]

    def read(self) -> Reading:
        """The moment on the device's boot clock; the counters come with `settle`."""
        return Reading(time_s=float(self._shell("cat /proc/uptime").split()[0]), joules={})

    def settle(self, readings: Sequence[Reading]) -> list[Reading]:
        """Ends the recording and gives each moment its counters. Raises EnergyUnavailableError, DeviceError."""
        # perfetto writes what is left in its buffers before it ends.
        self._shell(
            f"sleep 1; kill -TERM {self._process}; while kill -0 {self._process} 2>/dev/null; do sleep 0.1; done"
        )
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "trace"
            self._pull(TRACE, local)
            rails = read_rails(local)
        return [at(rails, reading.time_s) for reading in readings]

    def close(self) -> None:
        """Ends the recording and removes the trace; a device that is gone ends it by itself after two minutes."""
        with contextlib.suppress(DeviceError):
            self._shell(f"kill -TERM {self._process} 2>/dev/null; rm -f {TRACE}")


Rails = dict[str, tuple[list[float], list[float]]]
"""Name of a rail -> times in s of the boot clock, and joules counted so far."""


def read_rails(path: Path) -> Rails:
    """The rails of a trace. Raises EnergyUnavailableError for a file without them, or when their clock is not that of the trace."""
    from google.protobuf.message import DecodeError
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2

    trace = perfetto_trace_pb2.Trace()
    try:
        trace.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise EnergyUnavailableError(f"the Perfetto trace cannot be read ({error})") from None
    names: dict[tuple[int, int], str] = {}
    rails: Rails = defaultdict(lambda: ([], []))
    skews: list[float] = []
    for packet in trace.packet:
        message = packet.power_rails
        for rail in message.rail_descriptor:
            names[message.session_uuid, rail.index] = rail.rail_name
        for sample in message.energy_data:
            time_s = (sample.timestamp_ms or packet.timestamp / 1e6) / 1e3
            times, joules = rails[names.get((message.session_uuid, sample.index), f"rail {sample.index}")]
            times.append(time_s)
            joules.append(sample.energy / 1e6)
        if message.energy_data and packet.timestamp:
            skews.append(packet.timestamp / 1e9 - max(sample.timestamp_ms for sample in message.energy_data) / 1e3)
    if not rails:
        raise EnergyUnavailableError("no power rails in the Perfetto trace: the device has none, or does not tell")
    drift_s = max(skews, default=0.0) - min(skews, default=0.0)
    if drift_s > MAXIMUM_DRIFT_S:
        raise EnergyUnavailableError(f"the clock of the power rails drifted by {drift_s:.3f} s from the trace's")
    skew_s = float(np.median(skews)) if skews else 0.0
    offset = skew_s if abs(skew_s) > SAME_CLOCK_S else 0.0
    return {name: ([time + offset for time in times], joules) for name, (times, joules) in rails.items()}


def at(rails: Rails, time_s: float) -> Reading:
    """All counters at a moment. Raises EnergyUnavailableError outside the samples, or for a counter that fell."""
    joules = {}
    for name, (times, values) in rails.items():
        if not times[0] <= time_s <= times[-1]:
            raise EnergyUnavailableError(
                f"{name} was sampled from {times[0]:.1f} to {times[-1]:.1f} s, not at {time_s:.1f} s"
            )
        if any(after < before for before, after in itertools.pairwise(values)):
            raise EnergyUnavailableError(f"the counter of {name} fell: it was reset")
        joules[name] = float(np.interp(time_s, times, values))
    return Reading(time_s=time_s, joules=joules)
