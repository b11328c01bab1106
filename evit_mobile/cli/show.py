"""What a command prints: progress on stderr, its result on stdout, an error for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def progress() -> Iterator[Any]:
    """A function that shows one line of progress on stderr: a spinner on a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda message: console.print(message, highlight=False, soft_wrap=True)
        return
    with console.status("starting") as status:
        yield status.update


def show(document: Any, json: bool, table: Any) -> None:
    """Prints `document`, JSON or dataclasses, as JSON on stdout, or as the table that `table(document)` makes of it."""
    from evit_mobile.strict_json import to_json

    if json:
        sys.stdout.write(to_json(document))
        return
    from rich.console import Console

    Console().print(table(document))


def explain(error: Exception) -> int:
    """Prints an error for people and returns its exit code."""
    from rich.console import Console

    console = Console(stderr=True)
    code = getattr(error, "exit_code", None)
    if isinstance(code, int) and hasattr(error, "got"):
        for label, text in (("error: got", error.got), ("expected", error.allowed), ("try:", error.do)):  # type: ignore[attr-defined]  # checked above
            console.print(f"[bold red]{label}[/] ", end="")
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        return code
    if isinstance(error, OSError):
        console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console.print(f"internal error: {type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
    console.print("this is a bug; run again with --debug before the command for the traceback")
    return 3
