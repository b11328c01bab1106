"""What is printed where: progress and errors on stderr, results on stdout."""

from __future__ import annotations

import json
from typing import Any

import pytest

from converters.errors import ToolchainError
from evit_mobile.cli.show import explain, progress, show
from evit_mobile.errors import CheckpointError, DeviceError

WHAT: Any = {"got": "[bold]a[/bold] fault", "allowed": "none", "do": "take it out"}


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CheckpointError(**WHAT), 2, "error: got [bold]a[/bold] fault\nexpected none\ntry: take it out\n"),
        (DeviceError(**WHAT), 3, "error: got [bold]a[/bold] fault\nexpected none\ntry: take it out\n"),
        (ToolchainError(**WHAT), 3, "error: got [bold]a[/bold] fault\nexpected none\ntry: take it out\n"),
        (FileNotFoundError(2, "No such file", "[a].pth"), 2, "error: [Errno 2] No such file: '[a].pth'\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_is_explained(error: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(error) == code
    assert capsys.readouterr() == ("", said)


def test_what_nobody_foresaw_is_called_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(KeyError("[name]")) == 3
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first == "internal error: KeyError: '[name]'"
    assert second.startswith("this is a bug; run again with --debug")


def test_a_long_message_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a path in it can be copied."""
    path = "a/" * 200
    explain(OSError(path))
    assert capsys.readouterr().err == f"error: {path}\n"


def test_a_result_is_json_or_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    show({"a": (1, float("nan"))}, True, lambda _: pytest.fail("a table was made"))
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"a": [1, None]}
    assert printed.err == ""
    show({"a": 1}, False, lambda document: f"a is {document['a']}")
    assert capsys.readouterr() == ("a is 1\n", "")


def test_progress_is_lines_on_stderr_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as report:
        report("loading weights")
        report(f"writing {'long' * 50}")
    assert capsys.readouterr() == ("", f"loading weights\nwriting {'long' * 50}\n")
