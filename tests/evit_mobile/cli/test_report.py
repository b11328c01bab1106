"""`evit-mobile report`: where the page goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.cli.app import application
from evit_mobile.record.files import write_manifest
from tests.evit_mobile.cli.command_line import command
from tests.manifests import MANIFEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_manifest(MANIFEST, tmp_path)
    return tmp_path


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    application()(["report", str(folder), "--html", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out) == {"page": str(folder / "report.html")}


def test_the_page_goes_where_it_is_wanted(folder: Path, tmp_path: Path) -> None:
    code, out, err = command("report", folder, "--out", tmp_path / "page.html")
    assert (code, out.replace("\n", ""), err) == (0, f"wrote {tmp_path / 'page.html'}", "")
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert not (folder / "report.html").exists()


def test_a_folder_that_convert_did_not_write(tmp_path: Path) -> None:
    code, out, err = command("report", tmp_path / "none")
    assert (code, out) == (2, "")
    assert "without a manifest.json" in err
