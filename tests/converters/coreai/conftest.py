"""A folder that only Core AI could tell from an asset, and a package and operators in the place of Apple's."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from converters.coreai import package
from tests.converters.coreai.stand_in import operators as replaced_operators
from tests.converters.coreai.stand_in import write_package


@pytest.fixture
def asset(tmp_path: Path) -> Path:
    """A folder that looks like an asset. Its program is none, which only Core AI could tell."""
    path = tmp_path / "a.aimodel"
    path.mkdir()
    (path / package.PROGRAM).write_bytes(package.MAGIC + bytes(100))
    (path / package.HASH).write_bytes(hashlib.sha256(package.MAGIC + bytes(100)).digest())
    (path / package.METADATA).write_text(json.dumps({"assetVersion": "2.0", package.OWN: {"labels": ["a"]}}))
    return path


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes that are started import the package of stand_in.py, and not Apple's."""
    folder = tmp_path_factory.mktemp("packages")
    write_package(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators of compressed weights: Apple's where its wheel is here, else those of stand_in.py."""
    registering = "coreai_torch._compression.custom_layers"
    if find_spec("coreai_torch") is not None:
        pytest.importorskip("coreai_torch")  # which lets it warn of torch's local version
    else:
        replaced_operators()
        monkeypatch.setitem(sys.modules, registering, ModuleType(registering))
