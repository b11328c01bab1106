"""Every code block of the site runs in a test, or says what it needs.

A block of `evit-mobile convert` alone runs here, up to the point where work would begin. Any other has one of these comments before it,
which readers do not see; below a page's title "every block run by" holds for the page:

    <!-- run by: tests/test_python_api.py -->     <!-- needs: a phone -->     <!-- shown: what is printed -->
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evit_mobile.commands import convert as pipeline
from tests.evit_mobile.test_cli import run

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
MARK = re.compile(r"<!-- (every block run by|run by|needs|shown): (.+) -->")
BLOCK = re.compile(r"^```[^`]*^```$|(?<=\n\n)(?: {4}[^\n]*\n(?:\n(?= {4}))*)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block, and what is said of it: "needs", say, and a phone."""

    page: str
    lines: tuple[str, ...]
    kind: str | None
    said: str = ""

    @property
    def converts(self) -> bool:
        return all(line.startswith("evit-mobile convert") for line in self.lines)


def blocks(text: str, page: str) -> list[Block]:
    """The code blocks of a page. In lists, which are indented too, there are none."""
    of_page = MARK.search(text.partition("\n## ")[0])
    whole = of_page if of_page is not None and of_page[1].startswith("every") else None
    found = []
    for match in BLOCK.finditer(text):
        before = text[: match.start()].rstrip().rpartition("\n")[2]
        mark = MARK.fullmatch(before) or whole
        lines = tuple(line.strip() for line in match[0].splitlines() if line.strip() and not line.startswith("```"))
        found.append(Block(page, lines, *(mark.groups() if mark else (None,))))
    return found


ALL = [block for page in PAGES for block in blocks(page.read_text("utf-8"), page.name)]


def faults(block: Block) -> str | None:
    """What is wrong with a block, None where it is run or says what it needs."""
    if block.kind is None:
        return None if block.converts else "neither run nor marked"
    if not block.kind.endswith("run by"):
        return None
    if not (ROOT / block.said).is_file():
        return f"{block.said} is no test"
    test = (ROOT / block.said).read_text("utf-8")
    verbs = {line.split()[1] for line in block.lines if line.startswith("evit-mobile ")}
    absent = [verb for verb in verbs if verb.replace("-", "_") not in test.replace("-", "_")]
    return f"{block.said} does not run {', '.join(absent)}" if absent and block.page not in test else None


def test_the_site_has_blocks() -> None:
    assert len(ALL) > 40
    assert {block.page for block in ALL} >= {"quick-start.md", "python.md", "add-a-format.md", "apps.md"}


@pytest.mark.parametrize("block", ALL, ids=lambda block: f"{block.page}: {block.lines[0][:60]}")
def test_a_block_is_run_or_says_what_it_needs(block: Block) -> None:
    assert faults(block) is None


PLANTED = """# A page

    rm -rf out/

<!-- needs: a phone -->

    adb shell

<!-- run by: tests/nowhere.py -->

```
a = 1
```

- a list

  whose text goes on

<!-- run by: tests/test_code_blocks.py -->

    evit-mobile serve release/

    evit-mobile frobnicate
"""


def test_planted_blocks_without_a_test_are_found() -> None:
    assert [faults(block) for block in blocks(PLANTED, "a.md")] == [
        "neither run nor marked",
        None,
        "tests/nowhere.py is no test",
        None,
    ]
    absent = Block("a.md", ("evit-mobile publish out",), "run by", "tests/conftest.py")
    assert faults(absent) == "tests/conftest.py does not run publish"


@pytest.mark.parametrize(
    "line", sorted({line for block in ALL if block.kind is None and block.converts for line in block.lines})
)
def test_a_conversion_is_taken(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Any] = []

    def stop(job: Any, _report: Any) -> None:
        jobs.append(job)
        raise SystemExit(0)

    monkeypatch.setattr(pipeline, "prepare_all", stop)
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *shlex.split(line, comments=True)[1:]) == 0
    assert len(jobs) == 1
