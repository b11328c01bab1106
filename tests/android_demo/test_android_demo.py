"""android_demo on the JVM: every module compiled with warnings as errors, tested with JUnit on real artefacts.

`make test-android` prepares the tools and runs this. What no machine without Android can check is listed in android_demo/README.md.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from tests.android_demo.kotlin import DEMO, STANDINS, TOOLS, KotlinError, Tools

Test = TypeVar("Test", bound=Callable[..., Any])
missing = pytest.mark.skipif(not TOOLS.ready, reason=f"{TOOLS.folder} is not prepared: run `make test-android`")
NATIVE_LIBRARY = "libLiteRt.so"


def needs_tools(test: Test) -> Test:
    """Marks a test that compiles or runs Kotlin."""
    return pytest.mark.slow(missing(test))


def litert_properties(tools: Tools) -> dict[str, object]:
    """Where the stand-in of LiteRT finds the real C library."""
    package = find_spec("ai_edge_litert")
    assert package is not None
    assert package.origin is not None
    return {"evitmobile.litert": Path(package.origin).parent / NATIVE_LIBRARY, **tools.jna_properties}


@pytest.fixture(scope="session")
def core_tests(tools: Tools, core: Path, classes: Path) -> Path:
    return tools.compile([DEMO / "core" / "src" / "test"], classes / "core-test", [core, tools.compose, *tools.junit])


@needs_tools
def test_core(tools: Tools, core: Path, core_tests: Path, models: Path) -> None:
    count, printed = tools.test(core_tests, [core, tools.compose], {"evitmobile.fixtures": models})
    print(printed)
    assert count >= 47


@needs_tools
def test_inference(
    tools: Tools, core: Path, litert: Path, onnxruntime: Path, inference: Path, classes: Path, models: Path
) -> None:
    """The app's engine, classifier and fallback on real .tflite files, in LiteRT's C library of this machine."""
    classpath = [inference, core, litert, onnxruntime, tools.jna, tools.compose]
    tests = tools.compile(
        [DEMO / "inference" / "src" / "jvmTest"], classes / "inference-test", [*classpath, *tools.junit]
    )
    report = classes / "report.json"
    properties = {"evitmobile.fixtures": models, "evitmobile.report": report}
    count, printed = tools.test(tests, classpath, {**properties, **litert_properties(tools)})
    print(printed)
    assert count >= 21
    read_back(report, sorted((models / "m0").glob("*.tflite")))


def read_back(report: Path, artefacts: list[Path]) -> None:
    """What the app's benchmark writes is what `profile` reads: the test's device counts one watt, idle or busy."""
    out = report.with_suffix(".jsonl")
    measured = profile(artefacts, place=f"android-report:{report}", settings=Settings(), out=out)
    assert [item["runtime"]["name"] for item in measured["profiles"]] == ["LiteRT, CPU", "LiteRT, CPU"]
    assert [len(item["blocks_ms"]) for item in measured["profiles"]] == [8, 8]
    assert measured["profiles"][0]["energy"]["average_w"]["value"] == pytest.approx(1.0, abs=1e-3)
    assert measured["ratios"][0]["value"] > 0


@needs_tools
def test_ui(tools: Tools, core: Path, litert: Path, inference: Path, ui: Path, classes: Path, models: Path) -> None:
    """The state holder, and the screens rendered and clicked; EVIT_MOBILE_SCREENSHOTS is a folder for pictures."""
    classpath = [ui, inference, core, litert, tools.jna, tools.compose]
    sources = DEMO / "ui" / "src" / "jvmTest"
    tests = tools.compile([sources], classes / "ui-test", [*classpath, *tools.junit], ["compose-compiler-plugin"])
    properties: dict[str, object] = {
        "evitmobile.fixtures": models,
        "java.awt.headless": "true",
        "skiko.library.path": tools.compose,
        **litert_properties(tools),
    }
    if "EVIT_MOBILE_SCREENSHOTS" in os.environ:
        properties["evitmobile.screenshots"] = Path(os.environ["EVIT_MOBILE_SCREENSHOTS"])
    count, printed = tools.test(tests, classpath, properties)
    print(printed)
    assert count >= 24


@pytest.fixture(scope="session")
def androidx(tools: Tools, classes: Path) -> Path:
    classpath = [tools.compose, tools.android]
    return tools.compile([STANDINS / "androidx"], classes / "androidx", classpath, ["compose-compiler-plugin"])


SHELL = DEMO / "app" / "src" / "main" / "kotlin"


@needs_tools
def test_the_shell_agrees_with_our_standins(
    tools: Tools, core: Path, inference: Path, ui: Path, androidx: Path, tmp_path: Path
) -> None:
    """Types only, against Android 6 and tests/android_demo/standins; and an error planted in it is seen."""
    classpath = [core, inference, ui, androidx, tools.compose, tools.android]
    plugins = ["compose-compiler-plugin"]
    tools.compile([SHELL, STANDINS / "android"], tmp_path / "app", classpath, plugins)
    altered = tmp_path / "altered"
    shutil.copytree(SHELL, altered)
    images = next(altered.rglob("Images.kt"))
    images.write_text(images.read_text().replace("imageInfo.rotationDegrees", "imageInfo.rotation"))
    with pytest.raises(KotlinError, match="unresolved reference 'rotation'"):
        tools.compile([altered, STANDINS / "android"], tmp_path / "wrong", classpath, plugins)


def test_nothing_of_a_model_is_hard_coded() -> None:
    """No file of the app names a model, a class, a size or a tensor of the fixtures: the manifest does."""
    words = ("efficientvit", "Sneaker", "224", "256x", "0.485", "0.229", '"logits"', '"image"')
    sources = [path for path in DEMO.rglob("*.kt") if "main" in path.relative_to(DEMO).parts]
    assert len(sources) > 20
    found = [f"{path.name}: {word}" for path in sources for word in words if word in path.read_text()]
    assert not found


def test_the_core_knows_no_android() -> None:
    sources = list((DEMO / "core").rglob("*.kt"))
    assert sources
    assert not [path.name for path in sources if "import android" in path.read_text()]


@needs_tools
def test_a_failing_test_is_seen(tools: Tools, core: Path, core_tests: Path, models: Path, tmp_path: Path) -> None:
    """The gate of these gates: a bundle whose tensors are of another std does not pass."""
    altered = tmp_path / "models"
    shutil.copytree(models, altered)
    document = json.loads((altered / "m0" / "golden" / "golden.json").read_text())
    document["input"]["std"][2] *= 1.01
    (altered / "m0" / "golden" / "golden.json").write_text(json.dumps(document))
    with pytest.raises(KotlinError, match="tests failed"):
        tools.test(core_tests, [core, tools.compose], {"evitmobile.fixtures": altered})


@needs_tools
def test_a_warning_is_seen(tools: Tools, tmp_path: Path) -> None:
    source = tmp_path / "Old.kt"
    source.write_text('@Deprecated("older") fun old() = 1\n\nfun number() = old()\n')
    with pytest.raises(KotlinError, match="is deprecated"):
        tools.compile([source], tmp_path / "out", [])
