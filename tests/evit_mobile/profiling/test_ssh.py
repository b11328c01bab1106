"""The whole path over a real sshd on loopback, and what goes wrong there: nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evit_mobile.errors import DeviceError, UsageError
from evit_mobile.profiling import ssh
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.profiling.ssh import SshRemote

QUICK = Settings(bound=0.5, budget_s=1.0)
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """ssh options that reach a server of our own, with keys of its own. Its TMPDIR is the folder `remote` beside the keys."""
    if SSHD is None or shutil.which("ssh") is None:
        pytest.skip("no sshd on this machine (Debian: openssh-server)")
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "remote").mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\nPidFile none\n"
        f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nSetEnv TMPDIR={folder}/remote\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            break
        time.sleep(0.05)
    yield (
        *("-p", str(port), "-i", str(folder / "user"), "-F", "none", "-o", "LogLevel=ERROR"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    )
    process.terminate()
    process.wait()


@pytest.fixture
def remote(server: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The other end's temporary folder; `ssh:127.0.0.1` reaches it."""
    monkeypatch.setattr(ssh, "OPTIONS", (*ssh.OPTIONS, *server))
    return Path(server[3]).parent / "remote"


def test_both_runtimes_over_ssh(remote: Path, artefacts: dict[str, Path], tmp_path: Path) -> None:
    document = profile(
        list(artefacts.values()),
        place="ssh:127.0.0.1",
        settings=QUICK,
        python=sys.executable,
        out=tmp_path / "profile.jsonl",
    )
    names = [item["runtime"]["name"] for item in document["profiles"]]
    assert names == ["LiteRT with XNNPACK", "ExecuTorch with XNNPACK"]
    assert all(item["latency_ms"]["runs"] >= 200 for item in document["profiles"])
    assert {item["place"] for item in document["profiles"]} == {"ssh:127.0.0.1"}
    assert list(remote.iterdir()) == []


def test_a_machine_without_the_runtime(remote: Path, artefacts: dict[str, Path], tmp_path: Path) -> None:
    """An interpreter that sees no packages, as on a fresh board."""
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(DeviceError, match="ModuleNotFoundError"):
        profile([artefacts["tflite"]], place="ssh:127.0.0.1", settings=QUICK, python=str(bare))
    assert list(remote.iterdir()) == []


def test_a_damaged_copy_is_found(remote: Path, artefacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    send = SshRemote.send

    def truncated(self: SshRemote, source: Path, target: str) -> None:
        send(self, source, target)
        if source.suffix == ".tflite":
            self.shell(f"truncate -s -1 {target}")

    monkeypatch.setattr(SshRemote, "send", truncated)
    with pytest.raises(DeviceError, match=r"small\.tflite arrived with SHA-256"):
        profile([artefacts["tflite"]], place="ssh:127.0.0.1", settings=QUICK, python=sys.executable)
    assert list(remote.iterdir()) == []


def test_ctrl_c_cleans_up(remote: Path, artefacts: dict[str, Path], server: tuple[str, ...]) -> None:
    """A real process that gets a real SIGINT while it measures."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"  # a background job starts deaf to it
        "from pathlib import Path; from evit_mobile.profiling import ssh; from evit_mobile.profiling.run import profile;"
        "from evit_mobile.profiling.protocol import Settings;"
        f"ssh.OPTIONS = (*ssh.OPTIONS, *{server!r});"
        f"profile([Path({str(artefacts['tflite'])!r})], place='ssh:127.0.0.1', python={sys.executable!r},"
        "settings=Settings(bound=1e-9, budget_s=60), report=lambda text: print(text, flush=True))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=Path.cwd()
    )
    assert process.stdout is not None
    while process.stdout.readline() != "timing\n":
        pass
    assert len(list(remote.iterdir())) == 1
    process.send_signal(signal.SIGINT)
    process.wait(60)
    process.stdout.close()
    assert process.returncode != 0
    assert list(remote.iterdir()) == []


def test_a_machine_that_is_not_there(artefacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "OPTIONS", (*ssh.OPTIONS, "-F", "none", "-p", str(free_port())))
    with pytest.raises(DeviceError, match="refused"):
        profile([artefacts["tflite"]], place="ssh:127.0.0.1", settings=QUICK)


@pytest.mark.parametrize("destination", ["-oProxyCommand=true", "a b", "x;reboot", ""])
def test_destinations_that_are_none(destination: str) -> None:
    with pytest.raises(UsageError):
        SshRemote(destination)
