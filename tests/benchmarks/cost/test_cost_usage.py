"""What a command used is its own, and that of the processes it waits for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.cost.usage import CommandError, Usage, used_by

MB = 1_000_000
HOLDING = "import sys; b'x' * int(sys.argv[1]); sum(range(int(sys.argv[2])))"


def used(tmp_path: Path, *arguments: str) -> Usage:
    return used_by([sys.executable, "-c", *arguments], {}, tmp_path, tmp_path / "log.txt")


def test_memory_and_time_are_those_of_the_command(tmp_path: Path) -> None:
    idle = used(tmp_path, HOLDING, "1", "1")
    held = used(tmp_path, HOLDING, str(100 * MB), "3000000")
    assert idle.peak_bytes is not None
    assert held.peak_bytes is not None
    assert 100 * MB <= held.peak_bytes - idle.peak_bytes + 2 * MB < 110 * MB
    assert held.cpu_s > idle.cpu_s > 0


def test_the_memory_of_who_measures_does_not_count(tmp_path: Path) -> None:
    ours = b"x" * (300 * MB)
    peak_bytes = used(tmp_path, HOLDING, "1", "1").peak_bytes
    assert peak_bytes is not None
    assert peak_bytes < len(ours) / 3


def test_processes_that_a_command_waits_for_count(tmp_path: Path) -> None:
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDING!r}, '{100 * MB}', '1'])"
    peak_bytes = used(tmp_path, child).peak_bytes
    assert peak_bytes is not None
    assert peak_bytes > 100 * MB


def test_a_failed_verdict_is_counted_and_an_error_is_one(tmp_path: Path) -> None:
    assert used(tmp_path, "raise SystemExit(1)").cpu_s > 0
    with pytest.raises(CommandError, match="exit code 2"):
        used(tmp_path, "raise SystemExit(2)")
    with pytest.raises(CommandError, match="exit code 247"):
        used(tmp_path, "import os; os.kill(os.getpid(), 9)")


def test_what_runs_until_ctrl_c_gets_one(tmp_path: Path) -> None:
    serving = "import sys, time\ntry: time.sleep(60)\nexcept KeyboardInterrupt: sys.exit(130)"
    command = [sys.executable, "-c", serving]
    usage = used_by(command, {}, tmp_path, tmp_path / "log.txt", interrupted_s=1)
    assert usage.wall_s < 60
    with pytest.raises(CommandError, match="exit code 1"):
        used_by([sys.executable, "-c", "raise SystemExit(1)"], {}, tmp_path, tmp_path / "log.txt", interrupted_s=30)
