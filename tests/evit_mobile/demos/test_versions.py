"""The apps link the runtime that wrote and validated the artefacts."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from evit_mobile.demos import serve

ROOT = Path(__file__).parents[3]
CATALOGUE = tomllib.loads((ROOT / "android_demo" / "gradle" / "libs.versions.toml").read_text())


def pinned(package: str) -> str:
    """The version of a package that pyproject.toml asks for."""
    (version,) = re.findall(rf'"{package}==([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    return str(version)


def test_executorch() -> None:
    assert CATALOGUE["versions"]["executorch"] == pinned("executorch")
    project = (ROOT / "ios_demo" / "project.executorch.yml").read_text()
    assert re.findall(r"branch: swiftpm-([\d.]+)", project) == [pinned("executorch")]


def test_litert() -> None:
    assert CATALOGUE["versions"]["litert"] == pinned("ai-edge-litert")


def test_litert_js_is_what_users_are_told_to_install() -> None:
    version = json.loads((ROOT / "web_demo" / "package.json").read_text())["dependencies"]["@litertjs/core"]
    assert f"@litertjs/core@{version}" in Path(serve.__file__).read_text()
    assert f"@litertjs/core@{version}" in (ROOT / "web_demo" / "README.md").read_text()
