"""The application: its commands in the order of `--help`, loaded as they are needed, and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer

from evit_mobile.cli.show import explain
from evit_mobile.version import __version__

COMMANDS = (
    "models",
    "convert",
    "compile",
    "validate",
    "inspect",
    "evaluate",
    "profile",
    "compare",
    "report",
    "export_app",
    "serve",
    "publish",
    "sensitivity",
    "sweep",
    "best",
    "doctor",
)
"""Each is a module beside this one, with the function of that name."""

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
"""With 1 here torch asks the kernel for huge pages (c10/core/impl/alloc_cpu.cpp; it looks once). The results of a large model, hundreds of
MB each, then do not come 4 KB at a time: l1's reference takes 0.7 of the time.
"""


def application(commands: Iterable[str] = COMMANDS) -> typer.Typer:
    """The application with these commands."""
    app = typer.Typer(
        name="evit-mobile",
        help="Turns a trained EfficientViT into proven Core ML, LiteRT and ExecuTorch artefacts.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(root)
    for name in commands:
        app.command()(getattr(import_module(f"evit_mobile.cli.{name}"), name))
    return app


def asked(arguments: Iterable[str]) -> tuple[str, ...]:
    """The command that `arguments` name, the only one that has to be loaded; all of them where they name none."""
    first = next((one for one in arguments if not one.startswith("-")), "").replace("-", "_")
    return (first,) if first in COMMANDS else COMMANDS


def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001  # read by main()
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def main() -> None:
    """Entry point: errors become a message on stderr and their documented exit code."""
    signal.signal(signal.SIGTERM, end)
    os.environ.setdefault(HUGE_PAGES, "1")
    app = application(asked(sys.argv[1:]))
    if "--debug" in sys.argv:
        app()
        return
    try:
        app(standalone_mode=True)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            print("interrupted; files already finished are complete", file=sys.stderr)
        raise
    except Exception as error:
        sys.exit(explain(error))


def end(*_: Any) -> NoReturn:
    """An order to end is as Ctrl-C: what is half written is removed, and so are the temporary files of toolchains."""
    raise KeyboardInterrupt
