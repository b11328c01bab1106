"""macOS: `powermetrics`, which samples the power of CPU, GPU and Neural Engine; for root only.

Form of its output (man powermetrics, and what public readers of it agree on): one property list per sample, ended by a NUL byte, with
`elapsed_ns` and, in `processor`, `combined_power` in mW on Apple silicon or `package_joules` on Intel.
"""

from __future__ import annotations

import contextlib
import plistlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

from evit_mobile.profiling.energy.account import EnergyUnavailableError, Reading

SOURCE = "powermetrics: CPU, GPU and Neural Engine, sampled every 100 ms"
RESOLUTION_MJ = 0.1
"""A whole milliwatt for a tenth of a second."""

COMMAND = ("sudo", "-n", "powermetrics", "--samplers", "cpu_power", "--format", "plist", "-i", "100")
SAMPLE_TIMEOUT_S = 5.0
END_TIMEOUT_S = 5.0


class PowerMetrics:
    """Adds up the samples of a child process, each over its own elapsed time: their clock is the only one that counts."""

    source = SOURCE
    resolution_mj = RESOLUTION_MJ
    wrap_joules: dict[str, float] | None = None

    def __init__(self, command: Sequence[str] = COMMAND, sleep: Callable[[float], None] = time.sleep) -> None:
        if command is COMMAND and sys.platform != "darwin":
            raise EnergyUnavailableError("powermetrics is macOS's")
        self._sleep, self._output = sleep, tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.PIPE)
        try:
            self.read()
        except EnergyUnavailableError:
            self.close()
            raise

    def read(self) -> Reading:
        """What was used up to the end of the sample that is being taken. Raises EnergyUnavailableError."""
        count, deadline = len(self._samples()), time.monotonic() + SAMPLE_TIMEOUT_S
        while len(samples := self._samples()) <= count:
            if self._process.poll() is not None:
                assert self._process.stderr is not None
                why = self._process.stderr.read().decode(errors="replace").strip().splitlines()
                raise EnergyUnavailableError(f"powermetrics ended ({'; '.join(why[-2:]) or 'no message'}): run as root")
            if time.monotonic() > deadline:
                raise EnergyUnavailableError("powermetrics gives no samples")
            self._sleep(0.01)
        return total(samples)

    def close(self) -> None:
        """Ends the child process."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self._process.terminate()
        self._process.wait(END_TIMEOUT_S)
        self._output.close()

    def _samples(self) -> list[dict[str, Any]]:
        self._output.seek(0)
        return parse(self._output.read())


def parse(output: bytes) -> list[dict[str, Any]]:
    """The samples that are complete. Raises EnergyUnavailableError for one that is no property list."""
    try:
        return [plistlib.loads(text.strip()) for text in output.split(b"\0")[:-1] if text.strip()]
    except (plistlib.InvalidFileException, ExpatError, ValueError) as error:
        raise EnergyUnavailableError(f"powermetrics printed what is no property list ({error})") from None


def total(samples: Sequence[dict[str, Any]]) -> Reading:
    """Time and energy of all samples. Raises EnergyUnavailableError where a sample tells no power."""
    seconds = joules = 0.0
    for sample in samples:
        elapsed_s, processor = sample.get("elapsed_ns", 0) / 1e9, sample.get("processor", {})
        if "package_joules" in processor:
            joules += processor["package_joules"]
        elif "combined_power" in processor:
            joules += processor["combined_power"] / 1e3 * elapsed_s
        else:
            raise EnergyUnavailableError("powermetrics tells no power of this processor")
        seconds += elapsed_s
    return Reading(time_s=seconds, joules={"processor": joules})
