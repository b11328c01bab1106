"""The application: its commands, and what `main` makes of errors."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import typer

from evit_mobile.cli.app import COMMANDS, HUGE_PAGES, application, asked, end, main
from evit_mobile.errors import UsageError
from evit_mobile.report import tables
from evit_mobile.version import __version__
from tests.evit_mobile.cli.command_line import command


def test_only_the_command_that_is_named_is_loaded() -> None:
    assert asked(["--debug", "export-app", "report"]) == ("export_app",)
    assert asked([]) == asked(["--help"]) == asked(["reprot", "report"]) == COMMANDS


def test_commands_are_in_the_order_of_the_list_and_say_what_they_do() -> None:
    group = typer.main.get_command(application())
    assert list(group.commands) == [name.replace("_", "-") for name in COMMANDS]
    assert all(one.help for one in group.commands.values())
    assert list(typer.main.get_command(application(("best",))).commands) == ["best"]


def test_the_version() -> None:
    assert command("--version") == (0, f"{__version__}\n", "")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "evit_mobile", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{__version__}\n"


def test_without_a_command_help_is_shown() -> None:
    assert "Usage: evit-mobile" in command().out + command().err


def test_an_unknown_option_is_refused() -> None:
    code, out, err = command("models", "--jsn")
    assert (code, out) == (2, "")
    assert "--jsn" in err


def fail() -> None:
    raise UsageError(got="a planted fault", allowed="none", do="take it out")


def test_an_error_becomes_a_message_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "model_rows", fail)
    monkeypatch.setattr(sys, "argv", ["evit-mobile", "models"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: got a planted fault\nexpected none\ntry: take it out\n"


def test_with_debug_the_error_itself_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "model_rows", fail)
    monkeypatch.setattr(sys, "argv", ["evit-mobile", "--debug", "models"])
    with pytest.raises(UsageError, match="planted"):
        main()


def test_an_order_to_end_is_as_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt):
        end(15, None)


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("0", "0")])
def test_huge_pages_are_asked_for_unless_the_user_says_otherwise(
    before: str | None, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HUGE_PAGES, before or "")  # so that it is put back
    if before is None:
        del os.environ[HUGE_PAGES]
    monkeypatch.setattr(sys, "argv", ["evit-mobile", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ[HUGE_PAGES] == after
