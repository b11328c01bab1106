"""The browser demo, open in Chromium on a folder of artefacts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.demos.serve import address, open_server
from tests.web_demo.browser import Browser, missing

BROWSER_TEST = [pytest.mark.slow, pytest.mark.skipif(missing() is not None, reason=str(missing()))]
"""Marks of every test in Chromium: `make test-web` installs the npm packages first, elsewhere they are skipped without them."""

DONE = "document.body.getAttribute('aria-busy') === 'false'"
PREDICTED = f"{DONE} && !document.getElementById('result').hidden"
CHECKED = f"{DONE} && document.getElementById('agreement').className !== ''"
FAILED = f"{DONE} && !document.getElementById('failure').hidden"


@contextmanager
def page(
    browser: Browser, folder: Path, until: str, node_modules: Path | None = None, **options: Any
) -> Iterator[None]:
    """The demo open on `folder`, once `until` holds."""
    with open_server(folder, node_modules=node_modules) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            browser.call("open", address(server), options)
            browser.call("wait", until)
            yield
            assert [line for line in browser.call("console") if line.startswith("pageerror")] == []
        finally:
            server.shutdown()
            thread.join()


def manifest_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return document


def golden_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "golden" / "golden.json").read_text())
    return document
