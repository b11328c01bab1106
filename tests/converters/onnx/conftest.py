"""The package onnx, which is optional."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture
def onnx() -> ModuleType:
    package: ModuleType = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    return package
