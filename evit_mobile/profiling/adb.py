"""Measures on an Android device over adb, with a runner that the user names: LiteRT's benchmark_model, ExecuTorch's executor_runner, or any
program that speaks our runner protocol (docs/profile.md)."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from converters.errors import ToolchainError
from evit_mobile.errors import DeviceError, UsageError
from evit_mobile.profiling.energy.measure import Sources, android_sources
from evit_mobile.profiling.measured import Asked, Measured, in_sessions
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.records import Subject
from evit_mobile.profiling.remote import file_name, remote_folder, send_checked
from evit_mobile.profiling.runners import Runner, find_runner
from evit_mobile.progress import Report

PARENT = "/data/local/tmp"
COMMAND_TIMEOUT_S = 180.0
RETURN_TIMEOUT_S = 15.0
"""How long a device that vanished may take to come back before its folder is given up."""

FACTS = {
    "model": "getprop ro.product.model",
    "soc": "getprop ro.soc.model",
    "android": "getprop ro.build.version.release",
    "cpu": "getprop ro.board.platform",
    "governors": "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor | sort -u",
    "frequency_mhz": "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_cur_freq",
    "thermal_status": "dumpsys thermalservice | grep -m1 'Thermal Status'",
    "battery": "dumpsys battery",
    "load_average": "cat /proc/loadavg",
}
"""What is asked of the device; each may be missing."""


class Adb:
    """One device. Every command names its serial."""

    def __init__(self, serial: str) -> None:
        self.serial = serial
        self.name = f"adb:{serial}"

    def shell(self, command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """What a command prints there. Raises DeviceError when it fails."""
        return run_adb(["-s", self.serial, "shell", command], self.name, timeout_s)

    def send(self, source: Path, target: str) -> None:
        """Copies a file. Raises DeviceError."""
        run_adb(["-s", self.serial, "push", str(source), target], self.name, COMMAND_TIMEOUT_S)

    def try_shell(self, command: str) -> str:
        """What a command prints there, whether it fails or not. Raises DeviceError when the device does not answer."""
        return self.shell(f"({command}) 2>/dev/null; true")

    def pull(self, source: str, target: Path) -> None:
        """Copies a file from there. Raises DeviceError."""
        run_adb(["-s", self.serial, "pull", source, str(target)], self.name, COMMAND_TIMEOUT_S)

    def wait(self) -> None:
        """Waits for a device that went away. Raises DeviceError."""
        run_adb(["-s", self.serial, "wait-for-device"], self.name, RETURN_TIMEOUT_S)


def run_adb(arguments: Sequence[str], where: str, timeout_s: float) -> str:
    """What adb prints. Raises DeviceError, ToolchainError without adb."""
    try:
        # In a session of its own, Ctrl-C does not reach it before we can clean up.
        done = subprocess.run(
            ["adb", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ToolchainError(
            got="no `adb`", allowed="Android's platform tools on PATH", do="install them (Debian: apt install adb)"
        ) from None
    except subprocess.TimeoutExpired:
        raise device_failure(where, f"no answer within {timeout_s:.0f} s") from None
    output, errors = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    if done.returncode:
        lines = (errors.strip() or output.strip()).splitlines()
        raise device_failure(where, "; ".join(lines[-3:]) or f"exit code {done.returncode}")
    return output


def device_failure(where: str, what: str) -> DeviceError:
    return DeviceError(
        got=f"{where}: {what}",
        allowed="an authorised device that stays connected, with free space, and a runner that ends well",
        do="check `adb devices`, and repeat",
    )


def find_device(serial: str) -> Adb:
    """The device with this serial, or the only one for "". Raises DeviceError when it is missing, not ready, or one of several."""
    lines = run_adb(["devices"], "adb", COMMAND_TIMEOUT_S).splitlines()[1:]
    states = dict(line.split(None, 1) for line in lines if len(line.split(None, 1)) == 2)
    chosen = serial or (next(iter(states)) if len(states) == 1 else "")
    if chosen not in states:
        raise DeviceError(
            got=f"--on adb{':' + serial if serial else ''} with {', '.join(states) or 'no device'} connected",
            allowed="the serial of a connected device, or a single one",
            do="name one with --on adb:SERIAL" if states else "connect a device with USB debugging on",
        )
    if states[chosen].strip() != "device":
        raise DeviceError(
            got=f"adb:{chosen}, which is {states[chosen].strip()}",
            allowed="an authorised, running device",
            do="unlock it and accept this computer's key, then repeat",
        )
    return Adb(chosen)


class AdbSession:
    """An artefact on a device. Each request for runs starts the runner anew."""

    def __init__(self, adb: Adb, runner: Runner, runner_path: str, artefact: str, threads: int) -> None:
        self.device = adb
        self._adb, self._runner, self._threads = adb, runner, threads
        self._runner_path, self._artefact = runner_path, artefact

    def ask(self, request: str) -> dict[str, Any]:
        """As worker.py documents; where the runner only tells a mean, `latencies_ms` has one value per start. Raises DeviceError."""
        if request == "facts":
            return device_facts(self._adb)
        runs = int(request.split()[1]) if " " in request else 1
        output = self._adb.shell(self._runner.command(self._runner_path, self._artefact, runs, self._threads) + " 2>&1")
        try:
            found = self._runner.parse(output)
        except (ValueError, KeyError, IndexError) as error:
            raise device_failure(
                self._adb.name, f"{self._runner.name} printed no result ({error}): {output.strip()[-200:]!r}"
            ) from None
        return {"runtime": {"name": f"{self._runner.name} over adb", "version": "unknown"}, **found}


def device_facts(adb: Adb) -> dict[str, Any]:
    """What the device says about itself; null where it does not."""
    facts: dict[str, Any] = {}
    for name, command in FACTS.items():
        try:
            facts[name] = adb.shell(f"{command} 2>/dev/null", 30.0).strip() or None
        except DeviceError:
            facts[name] = None
    facts["frequency_mhz"] = [int(value) / 1000 for value in (facts["frequency_mhz"] or "").split() if value.isdigit()]
    facts["governors"] = (facts["governors"] or "").split()
    facts["load_average"] = [float(value) for value in (facts["load_average"] or "").split()[:3]]
    return facts


def measured(serial: str, subjects: Sequence[Subject], asked: Asked, report: Report) -> list[Measured]:
    """Latency and energy of each. Raises UsageError, DeviceError."""
    report(f"preparing adb{serial and f':{serial}'}")

    def sources(session: AdbSession) -> Sources:
        return android_sources(session.device.try_shell, session.device.pull, force=asked.force_energy)

    with open_sessions(serial, asked.runner, subjects, asked.settings) as sessions:
        return in_sessions(sessions, asked, report, sources)


@contextlib.contextmanager
def open_sessions(
    serial: str, runner_file: Path | None, subjects: Sequence[Subject], settings: Settings
) -> Iterator[list[AdbSession]]:
    """A session per artefact. Everything on the device is removed with the context. Raises DeviceError, UsageError."""
    if runner_file is None or not runner_file.is_file():
        raise UsageError(
            got="no --runner" if runner_file is None else f"--runner {runner_file}, which is no file",
            allowed="a benchmark_model, an executor_runner or a runner of your own, built for the device",
            do="name its path with --runner",
        )
    runner, adb = find_runner(runner_file), find_device(serial)
    with remote_folder(Returning(adb), PARENT) as folder:
        runner_path = f"{folder}/{file_name(runner_file, len(subjects))}"
        send_checked(adb, runner_file, runner_path)
        adb.shell(f"chmod 755 {runner_path}")
        sessions = []
        for position, item in enumerate(subjects):
            target = f"{folder}/{file_name(item.path, position)}"
            send_checked(adb, item.path, target)
            sessions.append(AdbSession(adb, runner, runner_path, target, settings.threads))
        yield sessions


class Returning:
    """A device whose commands are tried again once it is back. For cleaning up only."""

    def __init__(self, adb: Adb) -> None:
        self.name = adb.name
        self._adb = adb

    def shell(self, command: str, timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        try:
            return self._adb.shell(command, timeout_s)
        except DeviceError:
            self._adb.wait()
            time.sleep(0.1)
            return self._adb.shell(command, timeout_s)

    def send(self, source: Path, target: str) -> None:
        self._adb.send(source, target)
