"""The pages: links lead somewhere, commands are ones that there are, and what is made from the code says all of it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

import evit_mobile
from evit_mobile.cli.app import application
from scripts import site_pages

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GENERATED = {DOCS / "cli.md", DOCS / "api.md"}
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("*_demo/README.md"), *ROOT.glob("findings/*.md")])
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^ {4,}(?:\$ )?evit-mobile (\w.*)$", re.MULTILINE)


def broken_links(page: Path) -> list[str]:
    """Relative links of a page to files that there are not, and to headings that the page does not have."""
    found = []
    for link in LINK.findall(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        there = target.exists() or target in GENERATED
        if not there or (anchor and target.suffix == ".md" and target.exists() and anchor not in anchors(target)):
            found.append(link)
    return found


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_planted_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, here\n")
    (tmp_path / "a.md").write_text(
        "[x](gone.md) [x](there.md) [x](there.md#a-heading-here) [x](there.md#no) [x](https://a.b)"
    )
    assert broken_links(tmp_path / "a.md") == ["gone.md", "there.md#no"]


def parse(line: str) -> None:
    """Reads a command as `evit-mobile` does, without running it. Raises what the parser raises."""
    name, *arguments = shlex.split(line, comments=True)
    command = typer.main.get_command(application()).commands[name]  # type: ignore[attr-defined]  # it is a group
    command.make_context(name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_are_ones_that_there_are(page: Path) -> None:
    for line in COMMAND.findall(page.read_text("utf-8")):
        parse(line)


@pytest.mark.parametrize("line", ["convrt", "convert --formt tflite", "publish release/", "evaluate"])
def test_a_planted_wrong_command_is_found(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)convrt|no such option|missing"):
        parse(line)


def test_the_command_line_page_has_every_option() -> None:
    page = site_pages.cli_page()
    group = typer.main.get_command(application())
    for name, command in group.commands.items():  # type: ignore[attr-defined]  # it is a group
        section = page.partition(f"## evit-mobile {name}\n")[2].partition("\n## ")[0]
        for parameter in command.params:
            for spelled in (one for one in parameter.opts if one.startswith("--") and one != "--help"):
                assert (f"`{spelled}`" in section) is not getattr(parameter, "hidden", False)


def test_the_api_page_has_every_name() -> None:
    page = site_pages.api_page()
    assert all(
        re.search(rf"^::: [\w.]+\.{name}$", page, re.MULTILINE) for name in evit_mobile.__all__ if name[0] != "_"
    )


def test_the_site_has_every_page_once() -> None:
    yaml = pytest.importorskip("yaml")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8")) | {"docs_dir": str(DOCS)}
    named = list(site_pages.pages_of(site_pages.on_config(config)["nav"]))
    assert sorted(named) == sorted([path.name for path in DOCS.glob("*.md")] + [path.name for path in GENERATED])


def test_files_that_are_no_pages_are_named_on_the_site() -> None:
    said = site_pages.on_page_markdown("see [the form](../findings/README.md#form) and [this](manifest.md)")
    assert said == "see the form (`findings/README.md`) and [this](manifest.md)"
    assert site_pages.on_page_markdown("[`scripts/a.py`](../scripts/a.py)") == "`scripts/a.py`"


def test_pictures_are_small_and_the_data_too() -> None:
    """In kilobytes: what a clone and a wheel are loaded with."""
    pictures = [path for page in PAGES for path in pictures_of(page)]
    assert pictures
    assert sum(path.stat().st_size for path in set(pictures)) < 400_000
    bundled = [*(ROOT / "calib" / "data").iterdir(), *(ROOT / "evit_mobile" / "weights").iterdir()]
    assert sum(path.stat().st_size for path in bundled) < 20_000_000
    readme = {path for path in pictures_of(ROOT / "README.md") if path.suffix == ".png"}
    assert len(readme) >= 3
    assert sum(path.stat().st_size for path in readme) < 300_000


def pictures_of(page: Path) -> list[Path]:
    """The files of a page's pictures."""
    found = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text("utf-8"))
    return [(page.parent / link).resolve() for link in found]
