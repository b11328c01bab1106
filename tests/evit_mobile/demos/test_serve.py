"""serve: the page, the model and LiteRT.js by their URLs, isolated, on this machine only, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from converters.errors import ToolchainError
from evit_mobile.demos import serve
from evit_mobile.demos.serve import RUNTIME, open_server
from evit_mobile.errors import UsageError
from tests.evit_mobile.test_cli import run


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """What npm leaves, nearly."""
    folder = tmp_path / "node_modules"
    for package in RUNTIME:
        (folder / package).mkdir(parents=True)
        (folder / package / "engine.wasm").write_bytes(b"\0asm")
    return folder


@pytest.fixture
def server(release: Path, runtime: Path) -> Iterator[ThreadingHTTPServer]:
    with open_server(release, node_modules=runtime) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def get(server: ThreadingHTTPServer, path: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/js/main.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/model/manifest.json", "application/json"),
        ("/model/golden/00.png", "image/png"),
        ("/model/golden/00.f32", "application/octet-stream"),
        ("/model/tiny.int8.tflite", "application/octet-stream"),
        ("/node_modules/@litertjs/core/engine.wasm", "application/wasm"),
    ],
)
def test_files_types_and_isolation(path: str, kind: str, server: ThreadingHTTPServer, release: Path) -> None:
    response, content = get(server, path)
    assert response.status == 200
    assert response.headers["Content-Type"] == kind
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    if path.startswith("/model/"):
        assert content == (release / path.removeprefix("/model/")).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/model",
        "/model/",
        "/model/golden/",
        "/js/",
        "/absent",
        "/model/../../secret",
        "/%2e%2e/secret",
        "/model/%2e%2e/secret",
    ],
)
def test_neither_listings_nor_other_files(path: str, server: ThreadingHTTPServer, release: Path) -> None:
    (release.parent / "secret").write_text("secret")
    response, content = get(server, path)
    assert response.status in (301, 404)
    assert b"secret" not in content.replace(b"/secret", b"")


def test_only_this_machine_is_served(server: ThreadingHTTPServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken(server: ThreadingHTTPServer, release: Path, runtime: Path) -> None:
    with pytest.raises(UsageError, match="--port 0"):
        open_server(release, port=server.server_port, node_modules=runtime)


def test_without_litert_js(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolchainError, match="npm ci"):
        open_server(release, node_modules=tmp_path)
    assert run(monkeypatch, "serve", str(release), "--node-modules", str(tmp_path)) == 3
    assert "npm install @litertjs/core@2.5.3" in capsys.readouterr().err


def test_the_current_folders_litert_js_is_found(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runtime.parent)
    assert serve.find_runtime(tmp_path / "page", None) == runtime


def test_a_folder_without_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "serve", str(tmp_path)) == 2
    assert "manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_the_command_tells_its_address_and_ends_cleanly(number: signal.Signals, release: Path, runtime: Path) -> None:
    command = [sys.executable, "-m", "evit_mobile.cli", "serve", str(release), "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--node-modules", str(runtime)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a background job ignores it
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    text = next(lines)
    while not text.endswith("}\n"):
        text += next(lines)
    assert json.loads(text)["url"].startswith("http://127.0.0.1:")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
