"""What mkdocs.yml's pages do not say themselves: two pages made from the code, pages without a place, and links out of the site.

Its functions are MkDocs' hooks (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)#]+)(?:#[^)]*)?\)")
MORE = "More"


def on_config(config: Any) -> Any:
    """Lists pages that the navigation does not name."""
    named = set(pages_of(config["nav"]))
    others = sorted(path.name for path in Path(config["docs_dir"]).glob("*.md") if path.name not in named)
    if others:
        config["nav"].append({MORE: others})
    return config


def pages_of(nav: list[Any]) -> Iterator[str]:
    """The pages that a navigation names."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            yield from (
                page for value in entry.values() for page in ([value] if isinstance(value, str) else pages_of(value))
            )


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages that are made from the code."""
    from mkdocs.structure.files import File

    for name, content in (("cli.md", cli_page()), ("api.md", api_page())):
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Files of the repository that are no pages are named by their paths: the site does not hold them."""
    return OUTSIDE.sub(named_by_path, markdown)


def named_by_path(link: re.Match[str]) -> str:
    """What a link to such a file says, and its path where that says more."""
    said, path = link.groups()
    return f"`{path}`" if said.strip("`") == path else f"{said} (`{path}`)"


def cli_page() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    import typer

    from evit_mobile.cli.app import application

    group: Any = typer.main.get_command(application())
    parts = ["# Command line\n\nMade from the commands; `evit-mobile COMMAND --help` says the same."]
    parts += [command_text(name, command) for name, command in group.commands.items()]
    parts.append(EXIT_CODES)
    return "\n\n".join(parts) + "\n"


EXIT_CODES = """## Exit codes

| code | meaning |
|---|---|
| 0 | every judge that was asked passed |
| 1 | one failed or did not run: the file is kept, and marked |
| 2 | bad input: nothing was done |
| 3 | a toolchain, a runtime or a device is missing or failed |
| 130 | Ctrl-C: files that were finished are complete |

`--json` prints one JSON object on stdout and nothing else; progress and errors go to stderr.
`--debug` before the command shows tracebacks."""


def command_text(name: str, command: Any) -> str:
    """One command: what it does, and a table of what it takes."""
    listed = [one for one in command.params if one.name != "help" and not getattr(one, "hidden", False)]
    rows = [parameter_row(parameter) for parameter in listed]
    table = "\n".join(["| option | what it says | default |", "|---|---|---|", *rows])
    return f"## evit-mobile {name}\n\n{command.help}\n\n{table}"


def parameter_row(parameter: Any) -> str:
    """A row of the table: of an argument its name, of an option its spellings and what follows it."""
    spelled = ", ".join(f"`{one}`" for one in (*parameter.opts, *parameter.secondary_opts) if one.startswith("-"))
    value = "" if getattr(parameter, "is_flag", False) else parameter.metavar or parameter.name.upper()
    shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    required = "required" if parameter.required else "" if shown in (None, False, ()) else str(shown)
    cells = (f"{spelled} {value and f'`{value}`'}".strip(), parameter.help or "", required)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def api_page() -> str:
    """Every name of `evit_mobile.__all__`, from its docstring."""
    import evit_mobile

    parts = ["# Python API reference\n\nMade from the docstrings; [Python API](python.md) has examples."]
    parts += [f"::: {home}.{name}" for name, home in sorted(evit_mobile._HOMES.items(), key=str)]
    return "\n\n".join(parts) + "\n"
