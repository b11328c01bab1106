"""A folder elsewhere that is always removed, and copies that are checked; elsewhere is a shell of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from evit_mobile.errors import DeviceError
from evit_mobile.profiling.remote import file_name, remote_folder, send_checked, uninterrupted


class Here:
    """Runs commands with sh; a copy may lose its last byte, and from `gone` on nothing answers."""

    name = "the board"

    def __init__(self, *, truncates: bool = False, mktemp: str | None = None) -> None:
        self.truncates, self.mktemp, self.gone = truncates, mktemp, False

    def shell(self, command: str, timeout_s: float = 60.0) -> str:
        if self.gone:
            raise DeviceError(got="the board: connection lost", allowed="a connection", do="connect it")
        if self.mktemp is not None and command.startswith("mktemp"):
            return self.mktemp
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=timeout_s)
        return done.stdout

    def send(self, source: Path, target: str) -> None:
        shutil.copyfile(source, target)
        if self.truncates:
            os.truncate(target, source.stat().st_size - 1)


def test_the_folder_is_there_and_then_is_not(tmp_path: Path) -> None:
    with remote_folder(Here(), str(tmp_path)) as folder:
        assert Path(folder).is_dir()
        assert Path(folder).parent == tmp_path
        (Path(folder) / "copy").write_text("x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_it_is_removed_after_errors_and_ctrl_c(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error, match="planted"), remote_folder(Here(), str(tmp_path)):
        raise error("planted")
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_no_longer_answers_says_what_is_left(tmp_path: Path) -> None:
    remote, folders = Here(), []

    def lose() -> None:
        with remote_folder(remote, str(tmp_path)) as folder:
            folders.append(folder)
            remote.gone = True
            raise ValueError("planted")

    with pytest.raises(DeviceError) as raised:
        lose()
    assert raised.value.got == "ValueError: planted; then the board no longer answered"
    assert raised.value.do == f"connect it again, remove {folders[0]} there, and repeat"


@pytest.mark.parametrize("answer", ["", "/", "/tmp/other.abc", "/tmp/x; rm -rf /evit-mobile.abc", "evit-mobile.abc"])
def test_a_folder_that_could_not_be_removed_safely_is_refused(answer: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="mktemp answered"), remote_folder(Here(mktemp=answer), str(tmp_path)):
        pytest.fail("went on with it")


def test_a_copy_is_the_same_bytes(tmp_path: Path) -> None:
    source, target = tmp_path / "a.tflite", tmp_path / "b"
    source.write_bytes(b"bytes")
    send_checked(Here(), source, str(target))
    assert target.read_bytes() == b"bytes"
    with pytest.raises(DeviceError, match=r"the board: a\.tflite arrived with SHA-256 [0-9a-f]{64}"):
        send_checked(Here(truncates=True), source, str(target))


def test_ctrl_c_is_put_off_until_the_end() -> None:
    before, done = signal.getsignal(signal.SIGINT), []

    def clean() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        clean()
    assert done == ["cleaned up"]
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_have_no_ctrl_c_to_put_off() -> None:
    done = []

    def clean() -> None:
        with uninterrupted():
            done.append("cleaned up")

    thread = threading.Thread(target=clean)
    thread.start()
    thread.join()
    assert done == ["cleaned up"]


def test_names_need_no_quoting_and_differ() -> None:
    assert file_name(Path("a/my model (1).tflite"), 0) == "0-my_model__1_.tflite"
    assert file_name(Path("b/my model (1).tflite"), 1) != file_name(Path("my model (1).tflite"), 0)
