"""`evit-mobile publish`: what it hands on, and that a folder goes with a dry run only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.publishing.publish import Publication
from tests.evit_mobile.cli.command_line import Handed, command

NEEDED = ("release", "--to", "hf://me/tiny", "--weights-license", "mit")


@pytest.fixture
def below(monkeypatch: pytest.MonkeyPatch) -> Handed:
    found = Handed(Publication(repository="me/tiny", files=("README.md",), bytes=12, folder=Path("card")))
    monkeypatch.setattr("evit_mobile.publishing.publish.publish", found)
    return found


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("", {}),
        ("--include-weights --private --force", {"include_weights": True, "private": True, "force": True}),
        ("--dry-run", {"out": Path("published")}),
        ("--dry-run --out card", {"out": Path("card")}),
    ],
)
def test_options_are_handed_on(words: str, changed: dict[str, object], below: Handed) -> None:
    code, _, err = command("publish", *NEEDED, *words.split())
    assert (code, err) == (0, "working")
    assert below.arguments == (Path("release"), "hf://me/tiny")
    usual = {"weights_license": "mit", "include_weights": False, "private": False, "force": False, "out": None}
    assert below.options == usual | changed


@pytest.mark.parametrize(("folder", "written"), [(Path("card"), "card"), (None, None)])
def test_json_is_one_object(folder: Path | None, written: str | None, below: Handed) -> None:
    below.answer = Publication(repository="me/tiny", files=("README.md",), bytes=12, folder=folder, url="https://hub/1")
    assert json.loads(command("publish", *NEEDED, "--json").out) == {
        "repository": "me/tiny",
        "files": ["README.md"],
        "bytes": 12,
        "folder": written,
        "url": "https://hub/1",
    }
    assert "https://hub/1" in command("publish", *NEEDED).out


def test_a_folder_without_a_dry_run_is_refused(below: Handed) -> None:
    code, out, err = command("publish", *NEEDED, "--out", "card")
    assert (code, out, below.called) == (2, "", False)
    assert "--out without --dry-run" in err


@pytest.mark.parametrize("missing", ["--to", "--weights-license"])
def test_where_to_and_under_which_licence_have_to_be_said(missing: str, below: Handed) -> None:
    place = NEEDED.index(missing)
    code, _, err = command("publish", *NEEDED[:place], *NEEDED[place + 2 :])
    assert (code, below.called) == (2, False)
    assert missing in err
