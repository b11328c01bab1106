"""Runs one artefact where it is. Stand-alone: started here as a child process, or copied to another machine and started there.

    python worker.py SESSION.py ARTEFACT THREADS

SESSION.py is the `session.py` of a runtime. Each line on stdin is a request, each answer one line of JSON on stdout:
`load` -> runtime, load_ms, first_run_ms, memory_before_bytes; `run N` -> latencies_ms; `facts` -> what the machine says about
itself and the process. An answer with `error` ends the process.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

CPUS = "sys/devices/system/cpu/cpu[0-9]*"
ZONES = "sys/class/thermal/thermal_zone[0-9]*"
STATUS_FIELDS = {"VmRSS": "memory_bytes", "VmHWM": "peak_memory_bytes", "Threads": "process_threads"}


def facts(root: str = "") -> dict[str, Any]:
    """The machine and this process, as far as it tells. What cannot be read is null or empty."""
    frequencies = values(f"{root}/{CPUS}/cpufreq/scaling_cur_freq")
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_name(f"{root}/proc/cpuinfo"),
        "cores": os.cpu_count(),
        "governors": sorted(set(texts(f"{root}/{CPUS}/cpufreq/scaling_governor"))),
        "frequency_mhz": [value / 1000 for value in frequencies],
        "temperature_c": [value / 1000 for value in values(f"{root}/{ZONES}/temp")],
        "throttle_events": int(sum(values(f"{root}/{CPUS}/thermal_throttle/core_throttle_count"))),
        "load_average": list(os.getloadavg()),
        **process_facts(f"{root}/proc/self/status"),
    }


def process_facts(path: str) -> dict[str, int | None]:
    """Memory in bytes and threads of this process, from its status file."""
    found: dict[str, int | None] = dict.fromkeys(STATUS_FIELDS.values())
    for line in "".join(texts(path)).splitlines():
        name, _, value = line.partition(":")
        if name in STATUS_FIELDS:
            number = int(value.split()[0])
            found[STATUS_FIELDS[name]] = number * 1024 if value.endswith("kB") else number
    return found


def cpu_name(path: str) -> str:
    """The processor's name, from cpuinfo."""
    lines = "".join(texts(path)).splitlines()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Hardware", "Model"))]
    return named[0] if named else platform.processor()


def texts(pattern: str) -> list[str]:
    """The contents of the readable files of a pattern that starts at the root."""
    found = []
    for path in sorted(Path("/").glob(pattern.lstrip("/"))):
        try:
            found.append(path.read_text().strip())
        except OSError:
            continue
    return found


def values(pattern: str) -> list[float]:
    """The numbers in the readable files of a pattern."""
    return [float(text) for text in texts(pattern) if text.lstrip("-").isdigit()]


def reset_peak_memory() -> None:
    """Starts the kernel's record of peak memory anew, so that importing a runtime does not count."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


class Worker:
    """Answers requests about one artefact."""

    def __init__(self, session_file: str, artefact: str, threads: int) -> None:
        spec = importlib.util.spec_from_file_location("session", session_file)
        assert spec is not None
        assert spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        self._artefact, self._threads = artefact, threads
        self._session: Any = None

    def answer(self, request: list[str]) -> dict[str, Any]:
        """The answer to one request."""
        if request[0] == "load":
            return self.load()
        if request[0] == "run":
            return {"latencies_ms": [round(timed(self._session.run), 6) for _ in range(int(request[1]))]}
        return facts()

    def load(self) -> dict[str, Any]:
        """Opens the artefact and runs it once."""
        runtime = self._module.describe()
        reset_peak_memory()
        before = process_facts("/proc/self/status")["memory_bytes"]
        start = time.perf_counter()
        self._session = self._module.Session(self._artefact, self._threads)
        load_ms = 1e3 * (time.perf_counter() - start)
        first_run_ms = timed(self._session.run)
        return {
            "runtime": runtime,
            "load_ms": load_ms,
            "first_run_ms": first_run_ms,
            "memory_before_bytes": before,
        }


def timed(function: Any) -> float:
    """How long one call takes, in ms."""
    start = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - start) / 1e6


def main(session_file: str, artefact: str, threads: str) -> None:
    """Answers until stdin ends. Whatever native code prints goes to stderr."""
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)
        try:
            worker = Worker(session_file, artefact, int(threads))
            for line in sys.stdin:
                out.write(json.dumps(worker.answer(line.split())) + "\n")
        except Exception as error:
            out.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
            sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
