"""The prepared tools, the model folders, and the modules of the app compiled in the order in which they depend on each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.android_demo.fixtures import main as write_fixtures
from tests.android_demo.kotlin import DEMO, STANDINS, TOOLS, Tools


@pytest.fixture(scope="session")
def tools() -> Tools:
    return TOOLS


@pytest.fixture(scope="session")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classes")


@pytest.fixture(scope="session")
def models(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What fixtures.py writes."""
    folder = tmp_path_factory.mktemp("android")
    write_fixtures(folder, demo_models)
    return folder


@pytest.fixture(scope="session")
def core(tools: Tools, classes: Path) -> Path:
    sources = DEMO / "core" / "src" / "main"
    return tools.compile([sources], classes / "core", [tools.compose], ["kotlinx-serialization-compiler-plugin"])


@pytest.fixture(scope="session")
def litert(tools: Tools, classes: Path) -> Path:
    """Our stand-in for LiteRT's Kotlin API, on its C library."""
    return tools.compile([STANDINS / "litert"], classes / "litert", [tools.jna])


@pytest.fixture(scope="session")
def onnxruntime(tools: Tools, classes: Path) -> Path:
    """Our stand-in for ONNX Runtime's Java API, which runs nothing."""
    return tools.compile([STANDINS / "onnxruntime"], classes / "onnxruntime", [])


@pytest.fixture(scope="session")
def inference(tools: Tools, classes: Path, core: Path, litert: Path, onnxruntime: Path) -> Path:
    sources = DEMO / "inference" / "src" / "main"
    return tools.compile([sources], classes / "inference", [core, litert, onnxruntime, tools.executorch, tools.compose])


@pytest.fixture(scope="session")
def ui(tools: Tools, classes: Path, core: Path, litert: Path, inference: Path) -> Path:
    sources = DEMO / "ui" / "src" / "main"
    return tools.compile(
        [sources], classes / "ui", [core, litert, inference, tools.compose], ["compose-compiler-plugin"]
    )
