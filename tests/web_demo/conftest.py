"""One Chromium, and the model folders that `export-app web` makes, for all tests of the browser demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo_models import exported
from tests.web_demo.browser import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture(scope="session")
def converted(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """efficientvit_m0 as LiteRT files in fp32 and int8."""
    return exported("web", demo_models / "m0", tmp_path_factory.mktemp("web") / "m0")
