"""ios_demo on Linux: the package compiled and tested with Swift Testing, the rest parsed and type-checked against stand-ins.

`make test-ios` prepares Swift and runs this. What no machine without Xcode can check is listed in ios_demo/README.md.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from tests.ios_demo.fixtures import main as write_fixtures
from tests.ios_demo.swift import DEMO, STANDINS, SWIFT, SwiftError

needs_swift = [pytest.mark.slow, pytest.mark.skipif(SWIFT.missing is not None, reason=str(SWIFT.missing))]


@pytest.fixture(scope="module")
def work(apple_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders in `models`, what Swift builds in `build`."""
    folder = tmp_path_factory.mktemp("ios")
    write_fixtures(folder / "models", apple_models)
    return folder


def swift_test(work: Path, models: Path, *options: str) -> str:
    command = ["swift", "test", "--package-path", str(DEMO), "--scratch-path", str(work / "build")]
    command += [
        "--configuration",
        "release",
        "-Xswiftc",
        "-enable-testing",
        "-Xswiftc",
        "-warnings-as-errors",
        *options,
    ]
    if sys.platform == "linux":  # libswiftObservation.so of Swift 6.0 lacks a symbol that nothing calls
        command += ["-Xlinker", "--allow-shlib-undefined"]
    variables = {"EVIT_MOBILE_FIXTURES": models, "EVIT_MOBILE_REPORT": work / "report.json"}
    return SWIFT.run(command, work, variables)


class TestPackage:
    pytestmark = needs_swift

    def test_it_passes_and_python_reads_its_report(self, work: Path) -> None:
        printed = swift_test(work, work / "models")
        print(printed)
        (count,) = re.findall(r"Test run with (\d+) tests passed", printed)
        assert int(count) >= 35
        package = next((work / "models" / "m0").glob("*.mlpackage"))
        out = work / "profile.jsonl"
        measured = profile([package], place=f"ios-report:{work / 'report.json'}", settings=Settings(), out=out)
        assert measured["profiles"][0]["runtime"]["name"] == "Replay, GPU"
        assert len(measured["profiles"][0]["blocks_ms"]) == 8

    def test_a_failing_test_is_seen(self, work: Path) -> None:
        """The gate of these gates: a bundle whose tensors are of another std does not pass."""
        altered = work / "altered"
        shutil.copytree(work / "models", altered)
        path = altered / "b0" / "golden" / "golden.json"
        document = json.loads(path.read_text())
        document["input"]["std"][2] *= 1.01
        path.write_text(json.dumps(document))
        with pytest.raises(SwiftError, match="Golden images become Python's tensors\" failed"):
            swift_test(work, altered, "--filter", "PreprocessTests")


class TestSyntax:
    """The parser reads what is guarded by canImport too; it knows no types."""

    pytestmark = needs_swift

    def test_every_file_parses(self, tmp_path: Path) -> None:
        sources = sources_of("Sources", "App", "Tests")
        assert len(sources) > 35
        parse(sources, tmp_path)

    @pytest.mark.skipif(SWIFT.root is None, reason="swift-format's rules differ between releases")
    def test_every_file_is_formatted(self, tmp_path: Path) -> None:
        command = ["swift", "format", "lint", "--strict", "--configuration", str(DEMO / ".swift-format")]
        SWIFT.run([*command, *map(str, sources_of("Sources", "App", "Tests"))], tmp_path)
        crooked = tmp_path / "crooked.swift"
        crooked.write_text("let  number=1;\n")
        with pytest.raises(SwiftError, match="DoNotUseSemicolons"):
            SWIFT.run([*command, str(crooked)], tmp_path)

    def test_a_syntax_error_is_seen(self, tmp_path: Path) -> None:
        altered = tmp_path / "Camera.swift"
        altered.write_text(
            (DEMO / "App" / "Sources" / "Camera.swift").read_text().replace("guard let buffer", "guard buffer let")
        )
        others = [path for path in sources_of("Sources", "App", "Tests") if path.name != altered.name]
        with pytest.raises(SwiftError, match=r"Camera\.swift.*expected"):
            parse([*others[:5], altered, *others[5:]], tmp_path)


def parse(sources: list[Path], folder: Path) -> None:
    command = ["swiftc", "-frontend", "-parse", "-swift-version", "6", "-parse-as-library"]
    SWIFT.run([*command, *map(str, sources)], folder)


FRAMEWORKS = (
    "CoreGraphics",
    "ImageIO",
    "CoreVideo",
    "CoreML",
    "CoreAI",
    "ExecuTorch",
    "MetricKit",
    "AVFoundation",
    "SwiftUI",
    "PhotosUI",
)
"""The stand-ins, in the order in which they import each other."""

APP = ("App", "Sources/EvitCoreAI", "Sources/EvitExecuTorch")
"""What is compiled into the app itself."""


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-ins, and the package's modules compiled against them."""
    folder = tmp_path_factory.mktemp("modules")
    for name in FRAMEWORKS:
        emit_module(name, [STANDINS / f"{name}.swift"], folder)
    for name in ("EvitKit", "EvitCoreML", "EvitUI"):
        emit_module(name, sources_of(f"Sources/{name}"), folder)
    return folder


@pytest.mark.skipif(sys.platform == "darwin", reason="Apple's own frameworks are here: build the app")
class TestTypes:
    """Types and isolation only, against tests/ios_demo/standins: what passes agrees with these, no more."""

    pytestmark = needs_swift

    def test_the_app_agrees_with_our_standins(self, modules: Path) -> None:
        check_app(modules, sources_of(*APP))

    @pytest.mark.parametrize(
        ("file", "old", "new", "message"),
        [
            ("Camera.swift", "connection.videoRotationAngle", "connection.rotation", "no member 'rotation'"),
            ("Camera.swift", "@unchecked Sendable {", "Sendable {", "'Camera'"),
            (
                "ExecuTorchRuntime.swift",
                "Tensor<Float>(tensor, shape: shape)",
                "Tensor<Float>(tensor, shapes: shape)",
                "incorrect argument label",
            ),
            ("CoreAIRuntime.swift", "function.run(inputs:", "function.predict(inputs:", "no member 'predict'"),
        ],
    )
    def test_an_error_is_seen(self, modules: Path, file: str, old: str, new: str, message: str) -> None:
        altered = modules / "altered"
        shutil.rmtree(altered, ignore_errors=True)
        altered.mkdir()
        for source in sources_of(*APP):
            text = source.read_text()
            assert source.name != file or old in text
            (altered / source.name).write_text(text.replace(old, new) if source.name == file else text)
        with pytest.raises(SwiftError, match=message):
            check_app(modules, sorted(altered.glob("*.swift")))


def emit_module(name: str, sources: list[Path], folder: Path) -> None:
    compile_swift("-emit-module", "-o", str(folder / f"{name}.swiftmodule"), name=name, sources=sources, folder=folder)


def check_app(modules: Path, sources: list[Path]) -> None:
    compile_swift("-typecheck", name="EvitDemo", sources=[*sources, STANDINS / "Darwin.swift"], folder=modules)


def compile_swift(*options: str, name: str, sources: list[Path], folder: Path) -> None:
    """With the modules in `folder`. Raises SwiftError, also for warnings."""
    command = ["swiftc", "-swift-version", "6", "-parse-as-library", "-warnings-as-errors", "-module-name", name]
    SWIFT.run([*command, "-I", str(folder), *options, *map(str, sources)], folder)


def test_nothing_of_a_model_is_hard_coded() -> None:
    """No file of the app names a model, a class, a size or a tensor of the fixtures: the manifest does."""
    words = ("efficientvit", "Sneaker", "224", "256x", "0.485", "0.229", '"logits"')
    sources = sources_of("Sources", "App")
    assert len(sources) > 20
    found = [f"{path.name}: {word}" for path in sources for word in words if word in path.read_text()]
    assert not found


def test_the_kit_knows_no_apple_framework_but_guarded_ones() -> None:
    imports = {
        line for path in sources_of("Sources/EvitKit") for line in re.findall(r"(?m)^import .+$", path.read_text())
    }
    assert imports == {"import Foundation"}


def sources_of(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((DEMO / folder).rglob("*.swift"))]
