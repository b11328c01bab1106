"""One Chromium and one converted model for all tests of the browser demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evit_mobile.pipeline import convert
from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import IMAGES


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture(scope="session")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """efficientvit_m0 as LiteRT files in fp32 and int8."""
    folder = tmp_path_factory.mktemp("m0")
    for precision in ("fp32", "int8"):
        convert(formats=["tflite"], precision=precision, golden=IMAGES, out=folder)
    return folder
