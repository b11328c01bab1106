"""The examples: each is run as its page says."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from tests.oracles import import_timm

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = json.loads((EXAMPLES / "report.ipynb").read_text("utf-8"))


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_a_fine_tuned_timm_model_to_three_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As its page says, with 80 photos in place of 200."""
    import_timm()
    from examples import fine_tune, three_formats

    monkeypatch.setattr(fine_tune, "PHOTOS", 20)
    fine_tune.main(tmp_path)
    conversion = three_formats.main(tmp_path)
    assert conversion.proven
    assert [entry.format for entry in conversion.manifest.artefacts] == ["coreml", "tflite", "executorch"]
    assert conversion.manifest.artefacts[0].validation.top1_reference > 90
    assert re.search(r"^\d+\.jpg shows: Sandal$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.slow
def test_the_notebook_ends_with_the_report_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its cells one after the other, as a kernel runs them; what shows a page is a stand-in."""
    shown: list[str] = []
    display: Any = types.ModuleType("IPython.display")
    display.IFrame = lambda page, **_: shown.append(page)
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in NOTEBOOK["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert shown == ["release/report.html"]
    page = (tmp_path / "release" / "report.html").read_text("utf-8")
    assert "efficientvit_m0.int8.tflite" in page
    assert (tmp_path / "release" / "profile.jsonl").is_file()
    assert capsys.readouterr().out.count("passed") == 2


def test_the_notebook_holds_no_outputs() -> None:
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)
    assert {cell["execution_count"] for cell in cells} == {None}


def test_the_page_names_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text("utf-8")
    named = {name.partition("/")[0] for name in re.findall(r"\]\(([^)]+)\)", page)}
    assert named == {path.name for path in EXAMPLES.iterdir() if path.name not in ("README.md", "__pycache__")}
