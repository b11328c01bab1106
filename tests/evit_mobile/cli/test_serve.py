"""`evit-mobile serve`: what it hands on, and the address that it tells at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.evit_mobile.cli.command_line import command


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a server that ends at once is handed."""
    handed: dict[str, Any] = {}

    def serve(folder: Path, *, ready: Callable[[str], None], **options: Any) -> None:
        handed.update(options, folder=folder)
        ready("http://127.0.0.1:8123/")

    monkeypatch.setattr("evit_mobile.demos.serve.serve", serve)
    return handed


def test_options_are_handed_on_and_the_address_is_told(below: dict[str, Any]) -> None:
    code, out, err = command("serve", "release", "--port", "0", "--node-modules", "web/node_modules", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"url": "http://127.0.0.1:8123/", "folder": "release"}
    assert below == {"folder": Path("release"), "port": 0, "node_modules": Path("web/node_modules")}


def test_without_options_it_is_port_8000(below: dict[str, Any]) -> None:
    assert command("serve", "release").out == "release at http://127.0.0.1:8123/, until Ctrl-C\n"
    assert (below["port"], below["node_modules"]) == (8000, None)


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_refused(port: str, below: dict[str, Any]) -> None:
    code, out, err = command("serve", "release", "--port", port)
    assert (code, out, below) == (2, "", {})
    assert "--port" in err


def test_a_folder_that_convert_did_not_write(tmp_path: Path) -> None:
    code, out, err = command("serve", tmp_path)
    assert (code, out) == (2, "")
    assert "without a manifest.json" in err
