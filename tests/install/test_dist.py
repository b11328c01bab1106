"""What `make dist` built: which files the wheel and the source archive hold, and what they say of themselves."""

from __future__ import annotations

import os
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from evit_mobile import __version__

ROOT = Path(__file__).parents[2]
DIST = os.environ.get("EVIT_MOBILE_DIST")
CONTENT = {
    "calib": ("**/*.py", "data/*", "py.typed"),
    "converters": ("**/*.py", "py.typed"),
    "evit_mobile": ("**/*.py", "weights/*", "profiling/*.c", "report/templates/*", "py.typed"),
    "web_demo": ("*.html", "*.css", "js/*.js"),
}
"""Everything that is installed, by folder of the checkout; the page is a folder of evit_mobile then."""

pytestmark = pytest.mark.skipif(DIST is None, reason="opt-in: make test-install builds what is looked at")


@pytest.fixture(scope="module")
def wheel() -> zipfile.ZipFile:
    (path,) = Path(str(DIST)).glob("*.whl")
    return zipfile.ZipFile(path)


def expected() -> set[str]:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder, patterns in CONTENT.items()
        for pattern in patterns
        for path in (ROOT / folder).glob(pattern)
        if path.is_file()
    }
    return {f"evit_mobile/{name}" if name.startswith("web_demo/") else name for name in found}


def test_the_wheel_holds_exactly_this(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == expected()
    for needed in (
        "weights/efficientvit_m0.fashion_mnist.safetensors",
        "web_demo/index.html",
        "report/templates/page.html.j2",
    ):
        assert f"evit_mobile/{needed}" in names
    assert {f"{package}/py.typed" for package in ("calib", "converters", "evit_mobile")} <= names
    assert not [name for name in names if "node_modules" in name or name.startswith(("tests", "benchmarks"))]


def test_files_arrive_whole(wheel: zipfile.ZipFile) -> None:
    assert wheel.testzip() is None
    assert wheel.read("evit_mobile/web_demo/index.html") == (ROOT / "web_demo" / "index.html").read_bytes()


def test_what_the_wheel_says_of_itself(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    said = message_from_bytes(wheel.read(name))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (said["Name"], said["Version"]) == ("evit-mobile", __version__)
    assert said["License-Expression"] == "Apache-2.0"
    assert set(said.get_all("Provides-Extra", [])) == set(project["optional-dependencies"])
    assert set(said.get_all("Classifier", [])) == set(project["classifiers"])


def test_the_source_archive_builds_the_wheel_and_carries_no_litter() -> None:
    (path,) = Path(str(DIST)).glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    names = {member.name.partition("/")[2] for member in members if member.isfile()}
    assert {
        "setup.py",
        "web_demo/index.html",
        "LICENSE",
        "NOTICE",
        "README.md",
        "CHANGELOG.md",
        "docs/manifest.md",
    } <= names
    assert {name.removeprefix("evit_mobile/") if "/web_demo/" in name else name for name in expected()} <= names
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]
