"""Commands that take a dataclass of options."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer.testing import CliRunner

from evit_mobile.cli.options import JsonOption, given, parameter, takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Some:
    file: Annotated[Path, typer.Argument(metavar="FILE")]
    count: Annotated[int, typer.Option("--count")] = 3
    name: Annotated[str | None, typer.Option("--name")] = None
    cache: Annotated[bool | None, typer.Option("--cache/--no-cache")] = None
    json: JsonOption = False


def told(*arguments: str) -> tuple[int, list[Some]]:
    """How a command of `Some` ends, and what it is called with."""
    said: list[Some] = []

    @takes(Some)
    def command(options: Some) -> None:
        """Does nothing."""
        said.append(options)

    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, arguments).exit_code, said


def test_the_command_is_called_with_one_value() -> None:
    assert told("a.txt", "--count", "5", "--json") == (0, [Some(file=Path("a.txt"), count=5, json=True)])
    assert told("a.txt") == (0, [Some(file=Path("a.txt"))])
    assert told() == (2, [])
    assert told("a.txt", "--count", "many") == (2, [])


def test_it_keeps_its_name_its_words_and_the_order_of_the_fields() -> None:
    @takes(Some)
    def verb(options: Some) -> None:
        """What help says."""

    assert (verb.__name__, verb.__doc__) == ("verb", "What help says.")
    parameters = inspect.signature(verb).parameters
    assert list(parameters) == ["file", "count", "name", "cache", "json"]
    assert [one.default for one in parameters.values()] == [inspect.Parameter.empty, 3, None, None, False]


def test_a_field_without_a_default_is_a_parameter_without_one() -> None:
    assert parameter("a", MISSING, int).default is inspect.Parameter.empty
    assert parameter("a", None, int).default is None


def test_what_was_given_is_neither_none_nor_a_flag_that_is_not_set() -> None:
    assert given(Some(file=Path("a"), count=0, name="")) == {"file": Path("a"), "count": 0, "name": ""}
    assert given(Some(file=Path("a"), json=True)) == {"file": Path("a"), "count": 3, "json": True}


def test_what_is_switched_off_was_given() -> None:
    code, (options,) = told("a.txt", "--no-cache")
    assert (code, given(options)) == (0, {"file": Path("a.txt"), "count": 3, "cache": False})
