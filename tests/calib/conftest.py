"""A machine without pillow-heif."""

from __future__ import annotations

import sys

import pytest

from calib import suffixes


@pytest.fixture
def no_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(suffixes, "HEIF_PACKAGE", "no_such_package")
