"""ios_demo on Linux: EvitKit and the state holder compiled and tested with Swift Testing, the rest parsed.

`make test-ios` prepares Swift and runs this. What no machine without Xcode can check is listed in ios_demo/README.md.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from tests.ios_demo.fixtures import main as write_fixtures
from tests.ios_demo.swift import DEMO, SWIFT, SwiftError

needs_swift = [pytest.mark.slow, pytest.mark.skipif(SWIFT.missing is not None, reason=str(SWIFT.missing))]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folders in `models`, what Swift builds in `build`."""
    folder = tmp_path_factory.mktemp("ios")
    write_fixtures(folder / "models")
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
    command += [
        "-Xlinker",
        "--allow-shlib-undefined",
    ]  # libswiftObservation.so of Swift 6.0 on Linux lacks a symbol that nothing calls
    variables = {"EVIT_MOBILE_FIXTURES": models, "EVIT_MOBILE_REPORT": work / "report.json"}
    return SWIFT.run(command, work, variables)


class TestPackage:
    pytestmark = needs_swift

    def test_it_passes_and_python_reads_its_report(self, work: Path) -> None:
        printed = swift_test(work, work / "models")
        print(printed)
        (count,) = re.findall(r"Test run with (\d+) tests passed", printed)
        assert int(count) >= 33
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
