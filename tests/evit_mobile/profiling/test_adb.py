"""The whole path over adb: a scripted adb for every fault, and a real adbd on loopback where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from converters.errors import ToolchainError
from evit_mobile import cli
from evit_mobile.errors import DeviceError, UsageError
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.profiling.stored import read

QUICK = Settings(bound=0.5, budget_s=1.0)
RUNNER = """#!/bin/sh
# artefact, runs, threads
test -s "$1" || exit 3
printf '{"load_ms": 4, "first_run_ms": 3, "latencies_ms": ['
i=1
while [ $i -lt "$2" ]; do printf '2.0%s, ' $((i % 7)); i=$((i + 1)); done
echo '2.5]}'
"""


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    path = tmp_path / "runner"
    path.write_text(RUNNER)
    return path


@pytest.mark.usefixtures("fake")
def test_everything_goes_well(artefacts: dict[str, Path], runner: Path, tmp_path: Path) -> None:
    document = profile(
        list(artefacts.values()), place="adb", settings=QUICK, runner=runner, out=tmp_path / "profile.jsonl"
    )
    assert [item["artefact"]["name"] for item in document["profiles"]] == ["small.tflite", "small.pte"]
    for item in document["profiles"]:
        assert item["latency_ms"]["p50"]["value"] == pytest.approx(2.03, abs=0.011)
        assert (item["load_ms"], item["first_run_ms"], item["place"]) == (4, 3, "adb")
        assert item["runtime"]["name"] == "runner over adb"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("truncated", r"small\.tflite arrived with SHA-256"),
        ("full", "No space left on device"),
        ("gone", r"device 'SERIAL1' not found"),
    ],
)
def test_faults_end_clean(fault: str, message: str, fake: Path, artefacts: dict[str, Path], runner: Path) -> None:
    (fake / "fault").write_text(fault)
    with pytest.raises(DeviceError, match=message):
        profile([artefacts["tflite"]], place="adb:SERIAL1", settings=QUICK, runner=runner)


def test_a_device_lost_for_good_says_what_is_left(fake: Path, artefacts: dict[str, Path], runner: Path) -> None:
    (fake / "fault").write_text("lost")
    with pytest.raises(DeviceError, match=r"no longer answered.*remove .*/evit-mobile\.\w+ there"):
        profile([artefacts["tflite"]], place="adb", settings=QUICK, runner=runner)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("kill -SEGV $$", "exit code|Segmentation"),
        ("echo the reason >&2; exit 7", "the reason"),
        ("echo hello", "no result"),
        ('echo \'{"load_ms": 1, "first_run_ms": 1, "latencies_ms": []}\'', "no result"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_runners_that_crash(body: str, message: str, artefacts: dict[str, Path], runner: Path) -> None:
    runner.write_text(f"#!/bin/sh\n{body}\n")
    with pytest.raises(DeviceError, match=message):
        profile([artefacts["tflite"]], place="adb", settings=QUICK, runner=runner)


@pytest.mark.parametrize(
    ("devices", "place", "message"),
    [
        ("A\tdevice\nB\tdevice\n", "adb", "A, B connected"),
        ("A\tunauthorized\n", "adb", "unauthorized"),
        ("A\toffline\nB\tdevice\n", "adb:A", "offline"),
        ("A\tdevice\n", "adb:C", "adb:C"),
        ("", "adb", "no device"),
    ],
)
def test_devices_that_cannot_be_used(
    devices: str,
    place: str,
    message: str,
    fake: Path,
    artefacts: dict[str, Path],
    runner: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (fake / "devices").write_text(f"List of devices attached\n{devices}\n")
    arguments = ["evit-mobile", "profile", str(artefacts["tflite"]), "--on", place, "--runner", str(runner)]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 3
    assert message in capsys.readouterr().err


def test_no_runner_and_no_adb(
    artefacts: dict[str, Path], runner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="--runner"):
        profile([artefacts["tflite"]], place="adb", settings=QUICK)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="no `adb`"):
        profile([artefacts["tflite"]], place="adb", settings=QUICK, runner=runner)


TRIXIE = os.environ.get("EVIT_MOBILE_ADBD_ROOT")
"""A Debian trixie root folder with adbd and adb in it: debootstrap --variant=minbase --include=adbd,adb trixie DIR."""


def over_real_adb(
    artefacts: list[Path], runner: Path, *options: str | Path, place: str = "adb:127.0.0.1:5555", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Profiles over real adb against a Linux adbd, in a network namespace of its own. The runner is ours."""
    if TRIXIE is None or os.geteuid() != 0:
        pytest.skip("needs root and EVIT_MOBILE_ADBD_ROOT, a Debian root folder with adbd")
    script = Path(__file__).with_name("adbd_on_loopback.sh")
    command = ["unshare", "--net", "--mount", "sh", script, TRIXIE, sys.executable, "-m", "evit_mobile.cli", "profile"]
    settings = ["--on", place, "--runner", runner, "--bound", "0.5", "--budget", "2", *options]
    return subprocess.run(
        [str(part) for part in (*command, *artefacts, *settings)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_a_real_adbd_on_loopback(artefacts: dict[str, Path], runner: Path, tmp_path: Path) -> None:
    out = tmp_path / "profile.jsonl"
    done = over_real_adb(list(artefacts.values()), runner, "--out", out)
    assert done.returncode == 0, done.stderr
    assert [item["artefact"]["name"] for item in read(out)] == ["small.tflite", "small.pte"]
    assert all(item["latency_ms"]["p50"]["value"] == pytest.approx(2.03, abs=0.011) for item in read(out))
    assert "left behind" not in done.stderr


COUNTING = RUNNER.replace("i=1\n", 'i=1\necho "$2" >> /tmp/inferences\nsleep 0.2\n', 1)
DUMPSYS = """#!/bin/sh
# A fake: 1 W, and 40 mJ more per inference that the runner counted.
[ "$1" = android.hardware.power.stats.IPowerStats/default ] || exit 1
echo '============= PowerStats HAL 2.0 energy meter =============='
awk 'FNR == NR { milliseconds = 1000 * $1; next } { count += $1 }
    END { printf "  [S1]:CPU   %.2f mWs\\n", milliseconds + 40 * count }' /proc/uptime /tmp/inferences
echo '========== End of PowerStats HAL 2.0 energy meter =========='
"""


def test_energy_over_a_real_adbd(artefacts: dict[str, Path], runner: Path, tmp_path: Path) -> None:
    """Rails of a fake `dumpsys` behind real adb: known joules in, the same joules out."""
    if TRIXIE is None or os.geteuid() != 0:
        pytest.skip("needs root and EVIT_MOBILE_ADBD_ROOT, a Debian root folder with adbd")
    root, out = Path(TRIXIE), tmp_path / "profile.jsonl"
    dumpsys, inferences = root / "usr/local/bin/dumpsys", root / "tmp/inferences"
    runner.write_text(COUNTING)
    try:
        dumpsys.write_text(DUMPSYS)
        dumpsys.chmod(0o755)
        inferences.write_text("")
        done = over_real_adb([artefacts["tflite"]], runner, "--out", out)
        assert done.returncode == 0, done.stderr
    finally:
        dumpsys.unlink(missing_ok=True)
        inferences.unlink(missing_ok=True)
    energy = read(out)[0]["energy"]
    assert energy["mj_per_inference"]["value"] == pytest.approx(40, abs=0.5)
    assert energy["idle_w"]["value"] == pytest.approx(1, abs=0.02)
    assert "ODPM" in energy["source"]


KILL_ADBD = """#!/bin/sh
process=$$
until grep -qx adbd /proc/$process/comm; do process=$(cut -d' ' -f4 /proc/$process/stat); done
kill -9 "$process"
"""


# adb may also take adbd's port for that of an emulator, and list it as one more device.
@pytest.mark.parametrize(
    ("body", "environment", "place", "message"),
    [
        ("#!/bin/sh\nkill -SEGV $$\n", {}, "adb:127.0.0.1:5555", "exit code|Segmentation"),
        (RUNNER, {"DISK_SIZE": "4k"}, "adb:127.0.0.1:5555", "No space left on device"),
        (RUNNER, {"TWICE": "1"}, "adb", r"--on adb with .*127\.0\.0\.1:5555.*localhost:5555.* connected"),
        (RUNNER, {}, "adb:other", r"--on adb:other with .*127\.0\.0\.1:5555.* connected"),
    ],
    ids=["runner crashes", "disk full", "two devices", "another device"],
)
def test_faults_of_a_real_adbd_end_clean(
    body: str,
    environment: dict[str, str],
    place: str,
    message: str,
    artefacts: dict[str, Path],
    runner: Path,
) -> None:
    runner.write_text(body)
    done = over_real_adb([artefacts["tflite"]], runner, place=place, **environment)
    assert done.returncode == 3, done.stderr
    assert re.search(message, done.stderr)
    assert "left behind" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_real_adbd_that_dies_says_what_is_left(artefacts: dict[str, Path], runner: Path) -> None:
    runner.write_text(KILL_ADBD)
    done = over_real_adb([artefacts["tflite"]], runner)
    left = re.search(r"left behind: (evit-mobile\.\w+)", done.stderr)
    assert left is not None, done.stderr
    shutil.rmtree(Path(str(TRIXIE)) / "data/local/tmp" / left[1])
    assert done.returncode == 3
    assert "no longer answered" in done.stderr
    assert re.search(rf"remove\s+\S*{left[1]}", done.stderr)
