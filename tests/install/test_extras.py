"""Every extra is one that `make test-install` tries alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.install.test_install import BUNDLES, FIRST

ROOT = Path(__file__).parents[2]


def test_every_extra_is_tried() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(FIRST) - {""} == set(extras) - BUNDLES
