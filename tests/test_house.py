"""The size of things: a function is a page, a file a chapter, and docs/architecture.md names every part."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import evit_mobile
from tests.test_floors import FLOORS

ROOT = Path(evit_mobile.__file__).resolve().parents[1]
PACKAGES = ("calib", "converters", "evit_mobile")
PIPELINE = ("cli", "commands", "request")
MOST_LINES, MOST_PARAMETERS, LONGEST_FILE = 45, 8, 350


def files(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((root / package).rglob("*.py"))


def too_large(path: Path) -> list[str]:
    """Functions of a file with more lines or parameters than a page takes."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            parameters = [one for one in arguments if one.arg not in ("self", "cls")]
            if lines > MOST_LINES or len(parameters) > MOST_PARAMETERS:
                found.append(f"{path.name}:{node.lineno} {node.name}: {lines} lines, {len(parameters)} parameters")
    return found


@pytest.mark.parametrize("part", PIPELINE)
def test_the_pipeline_is_pages_of_named_steps(part: str) -> None:
    assert [text for path in sorted((ROOT / "evit_mobile" / part).rglob("*.py")) for text in too_large(path)] == []


def test_a_planted_long_function_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("def long():\n" + "    x = 1\n" * 45 + "def wide(a, b, c, d, e, f, g, h, *, i):\n    pass\n")
    assert [text.split()[1] for text in too_large(path)] == ["long:", "wide:"]


def test_no_file_is_too_long() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in files(ROOT)}
    assert {path: count for path, count in lines.items() if count > LONGEST_FILE} == {}


def test_the_page_about_the_house_names_every_part() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert set().union(*FLOORS) <= named
