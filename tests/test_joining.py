"""What people join by: templates, hooks, workflows and the page for contributors, held against the project that they speak of."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest

import evit_mobile

yaml = pytest.importorskip("yaml")  # comes with huggingface_hub

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_bug_report_asks_for_doctor_and_manifest() -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8"))
    fields = {field["id"]: field for field in form["body"]}
    assert fields["doctor"]["attributes"]["label"] == "evit-mobile doctor --json"
    assert fields["doctor"]["validations"]["required"]
    assert fields["manifest"]["attributes"]["label"] == "manifest.json"


def test_hooks_are_what_make_lint_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    lint = (ROOT / "Makefile").read_text("utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    commands = [line.strip().removeprefix("$(BIN)/").removesuffix(" .") for line in lint.splitlines()[1:]]
    assert [hook["entry"] for hook in repository["hooks"]] == commands


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_that_never_ran_says_so(path: Path) -> None:
    assert "Not executed by us so far" in path.read_text("utf-8").partition("\nname:")[0]
    assert yaml.safe_load(path.read_text("utf-8"))["jobs"]


def test_the_suites_on_the_page_for_contributors_are_ones_that_there_are() -> None:
    suites = set(re.findall(r"^(test[\w-]*|lint|bench):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`make (test[\w-]*|lint|bench)` \|", page))
    assert named
    assert named <= suites


def test_the_packages_hold_no_links() -> None:
    """A checkout on Windows has none, and an archive would hold what they point to."""
    folders = [ROOT / name for name in ("calib", "converters", "evit_mobile", "web_demo", "docs", "tests")]
    paths = [path for folder in folders for path in folder.rglob("*") if "node_modules" not in path.parts]
    assert [path for path in paths if path.is_symlink()] == []


def test_the_version_has_notes() -> None:
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert first is not None
    assert first[1] == evit_mobile.__version__


def test_a_warning_is_an_error_and_each_exception_has_a_reason() -> None:
    with pytest.raises(DeprecationWarning, match="planted"):
        warnings.warn("planted", DeprecationWarning, stacklevel=1)
    listed = (ROOT / "pyproject.toml").read_text("utf-8").partition("filterwarnings = [\n")[2].partition("\n]")[0]
    first, *exceptions = (line.strip() for line in listed.splitlines())
    assert first == '"error",'
    assert all(re.fullmatch(r'"ignore:.+", # .{10,}', line) for line in exceptions)
