"""The worker by itself: what it tells of a machine, and how it answers about an artefact."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.profiling import worker


def test_facts_of_a_recorded_machine(tmp_path: Path) -> None:
    files = {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2400000",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "ondemand",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "7",
        "sys/class/thermal/thermal_zone0/temp": "51234",
        "proc/cpuinfo": "processor : 0\nModel\t\t: Raspberry Pi 5\n",
        "proc/self/status": "VmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\nThreads:\t3\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    facts = worker.facts(str(tmp_path))
    assert facts["frequency_mhz"] == [1500.0, 2400.0]
    assert facts["governors"] == ["ondemand"]
    assert facts["temperature_c"] == [51.234]
    assert facts["throttle_events"] == 7
    assert facts["cpu"] == "Raspberry Pi 5"
    assert (facts["peak_memory_bytes"], facts["memory_bytes"], facts["process_threads"]) == (2097152, 1048576, 3)


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    facts = worker.facts(str(tmp_path))
    assert (facts["governors"], facts["frequency_mhz"], facts["temperature_c"]) == ([], [], [])
    assert facts["throttle_events"] == 0
    assert (facts["peak_memory_bytes"], facts["memory_bytes"], facts["process_threads"]) == (None, None, None)


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("processor : 0\nmodel name\t: Xeon\nmodel name\t: Xeon\n", "Xeon"),
        ("Hardware\t: Tensor G4\nModel\t: later\n", "Tensor G4"),
    ],
)
def test_the_processor_is_the_first_one_named(lines: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(lines)
    assert worker.cpu_name(str(tmp_path / "cpuinfo")) == name


def test_numbers_are_those_of_files_that_hold_one(tmp_path: Path) -> None:
    for name, text in {"a0": "12\n", "a1": "-3", "a2": "<unsupported>", "a3": "", "b0": "99"}.items():
        (tmp_path / name).write_text(text)
    assert worker.values(f"{tmp_path}/a[0-9]") == [12.0, -3.0]


SESSION = """
class Session:
    def __init__(self, artefact, threads):
        if artefact == "bad":
            raise ValueError(f"{artefact} with {threads} threads")
        self.count = 0

    def run(self):
        print("native code says something")
        self.count += 1

def describe():
    return {"name": "a stand-in", "version": "1"}
"""


def answers(tmp_path: Path, artefact: str, requests: str) -> tuple[int, list[dict[str, Any]]]:
    """How the worker ends, and what it answers to these lines."""
    (tmp_path / "session.py").write_text(SESSION)
    done = subprocess.run(
        [sys.executable, "-I", worker.__file__, str(tmp_path / "session.py"), artefact, "2"],
        input=requests,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_is_answered_by_one_and_nothing_else_is_on_stdout(tmp_path: Path) -> None:
    code, (loaded, ran, facts) = answers(tmp_path, "good", "load\nrun 3\nfacts\n")
    assert code == 0
    assert loaded["runtime"] == {"name": "a stand-in", "version": "1"}
    assert loaded["load_ms"] > 0
    assert loaded["first_run_ms"] > 0
    assert len(ran["latencies_ms"]) == 3
    assert facts["cores"] >= 1


def test_an_error_is_the_last_answer(tmp_path: Path) -> None:
    code, (only,) = answers(tmp_path, "bad", "load\nrun 3\n")
    assert code == 1
    assert only == {"error": "ValueError: bad with 2 threads"}
