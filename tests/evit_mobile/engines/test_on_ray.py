"""What of Ray's engine needs no Ray."""

from __future__ import annotations

import hashlib
import pickle
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from calib.errors import DataError
from converters.errors import ToolchainError
from evit_mobile.engines import on_ray
from evit_mobile.engines.on_ray import RayEngine, check_address, placed
from evit_mobile.errors import DeviceError, UsageError
from evit_mobile.progress import silent


def test_without_ray_the_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ToolchainError) as raised:
        RayEngine("auto", silent)
    assert raised.value.exit_code == 3
    assert raised.value.do == "pip install 'evit-mobile[ray]'"


def test_an_address_where_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started = time.monotonic()
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:none", "127.0.0.1:99999"):
        with pytest.raises(DeviceError) as raised:
            check_address(address)
        assert address in raised.value.got
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_answers_and_is_no_cluster_is_said_in_time(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "ANSWER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(said)
            time.sleep(1)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DeviceError, match="no cluster is reached"):
            check_address(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()


def test_a_file_is_fetched_once_where_it_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content, fetched = b"weights", []

    def fetch() -> bytes:
        fetched.append(1)
        return content

    digest = hashlib.sha256(content).hexdigest()
    own = tmp_path / "own.pth"
    own.write_bytes(content)
    assert placed(str(own), digest, fetch) == str(own)
    assert fetched == []
    own.write_bytes(b"other weights of that name")
    copies = {placed(str(own), digest, fetch) for _ in range(2)}
    assert fetched == [1]
    (copy,) = copies
    assert copy != str(own)
    assert Path(copy).name == "own.pth"
    assert Path(copy).read_bytes() == content


@pytest.mark.parametrize("kind", [UsageError, ToolchainError, DataError])
def test_errors_reach_another_process(kind: type[UsageError]) -> None:
    error = pickle.loads(pickle.dumps(kind(got="a", allowed="b", do="c")))
    assert type(error) is kind
    assert (error.got, error.allowed, error.do, str(error)) == ("a", "b", "c", "got a; allowed: b; c")
