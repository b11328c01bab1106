"""What people join by: templates, hooks, workflows and the page for contributors, held against the project that they speak of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_the_page_for_contributors_names_every_suite() -> None:
    suites = set(re.findall(r"^(test[\w-]*|lint|bench):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert suites == set(re.findall(r"`make (test[\w-]*|lint|bench)` \|", page))
