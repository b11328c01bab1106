"""Command lines, run in this process by Typer's runner, and what stands for the functions below them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from evit_mobile.cli.app import application, asked
from evit_mobile.cli.show import explain


class Ended(NamedTuple):
    """How a command line ended: its exit code, its stdout, and its stderr in one line without frames."""

    code: int
    out: str
    err: str


def command(*arguments: str | Path) -> Ended:
    """Runs one command line. What it raises becomes a message and an exit code, as in `main`."""
    words = [str(one) for one in arguments]
    result = CliRunner(env={"COLUMNS": "200"}).invoke(application(asked(words)), words)
    code, said = result.exit_code, result.stderr
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        with contextlib.redirect_stderr(io.StringIO()) as explained:
            code = explain(result.exception)
        said += explained.getvalue()
    return Ended(code, result.stdout, " ".join(re.sub("[│╭╰─╮╯]", " ", said).split()))


class Handed:
    """Stands for the function below a command: keeps what it is handed, says a line of progress and answers."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.called = answer, False

    def __call__(self, *arguments: Any, report: Any = None, **options: Any) -> Any:
        self.called, self.arguments, self.options = True, arguments, options
        if report is not None:
            report("working")
        return self.answer
