"""Chromium from Python, by way of node and playwright-core; see browser.mjs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WEB_DEMO = ROOT / "web_demo"


def missing() -> str | None:
    """What the browser tests lack on this machine, None when nothing."""
    for program in ("node", "chromium"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    for package in ("playwright-core", "@litertjs/core"):
        if not (WEB_DEMO / "node_modules" / package).is_dir():
            return f"{package} is not installed: run `npm ci` in web_demo"
    return None


class Browser:
    """One Chromium, without a GPU unless `flags` give it one; `call` names a function of browser.mjs. Raises RuntimeError with what
    it says went wrong.
    """

    def __init__(self, *flags: str) -> None:
        script = Path(__file__).with_name("browser.mjs")
        command = ["node", str(script), str(WEB_DEMO), str(shutil.which("chromium")), *(flags or ["--disable-gpu"])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=30)  # the end of its input ends it

    def call(self, name: str, *values: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"call": name, "with": values}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]
