"""The examples that read a manifest in Swift and in Kotlin: `make test-ios` and `make test-android` prepare what they need."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evit_mobile.findings import Verdict
from evit_mobile.strict_json import to_json
from tests.android_demo import kotlin
from tests.android_demo.kotlin import TOOLS
from tests.ios_demo.swift import SWIFT
from tests.manifests import ARTEFACT, PASSED, of_model

EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = """tiny: 10 classes, images of 32 x 32 pixels
mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225]
tiny.int8.tflite: passed
other.int8.tflite: not.run, no device
"""
"""What both print; Swift says not_run, Kotlin "not run"."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a manifest of two artefacts, of which one was not run."""
    not_run = replace(PASSED, verdict=Verdict.NOT_RUN, reason="no device")
    other = replace(ARTEFACT, path="other.int8.tflite", validations=(not_run,))
    manifest = replace(of_model(), artefacts=(ARTEFACT, other))
    (tmp_path / "manifest.json").write_text(to_json(manifest))
    return tmp_path


@pytest.mark.slow
@pytest.mark.skipif(SWIFT.missing is not None, reason=str(SWIFT.missing))
def test_swift(folder: Path) -> None:
    command = ["swift", "run", "--package-path", str(EXAMPLES / "manifest_in_swift")]
    command += ["--scratch-path", str(folder / "build"), "-Xswiftc", "-warnings-as-errors"]
    if sys.platform == "linux":  # libswiftObservation.so of Swift 6.0 lacks a symbol that nothing calls
        command += ["-Xlinker", "--allow-shlib-undefined"]
    assert re.search(SAID.replace("[", r"\["), SWIFT.run([*command, "ReadManifest", str(folder)], folder))


@pytest.mark.slow
@pytest.mark.skipif(not TOOLS.ready, reason=f"{TOOLS.folder} is not prepared: run `make test-android`")
def test_kotlin(folder: Path) -> None:
    core = [kotlin.DEMO / "core" / "src" / "main"]
    plugin = ["kotlinx-serialization-compiler-plugin"]
    own = TOOLS.compile([*core, EXAMPLES / "manifest_in_kotlin.kt"], folder / "classes", [TOOLS.compose], plugin)
    classpath = kotlin.joined([own, TOOLS.compose, TOOLS.library("kotlin-stdlib")])
    printed = kotlin.run(["java", "-cp", classpath, "Manifest_in_kotlinKt", str(folder)])
    assert re.fullmatch(SAID.replace("[", r"\["), printed)
