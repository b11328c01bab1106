"""Modules that a test file names at its top and that are loaded when a test runs: collecting tests loads no toolchain."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazily:
    """The attributes of the module `name`, which is imported for the first of them."""

    _mock_name = None
    """pytest asks everything in a test file whether it is a mock, or wraps a fixture."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(import_module(self._name), attribute)
