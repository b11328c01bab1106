"""The application: its commands in the order of `--help`, and what becomes of errors."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, Any, NoReturn

import typer

from evit_mobile.cli.compare import compare
from evit_mobile.cli.compile import compile
from evit_mobile.cli.convert import convert
from evit_mobile.cli.doctor import doctor
from evit_mobile.cli.evaluate import evaluate
from evit_mobile.cli.export_app import export_app
from evit_mobile.cli.inspect import inspect
from evit_mobile.cli.models import models
from evit_mobile.cli.profile import profile
from evit_mobile.cli.publish import publish
from evit_mobile.cli.report import report
from evit_mobile.cli.sensitivity import sensitivity
from evit_mobile.cli.serve import serve
from evit_mobile.cli.show import explain
from evit_mobile.cli.validate import validate
from evit_mobile.version import __version__

COMMANDS = (
    models,
    convert,
    compile,
    validate,
    inspect,
    evaluate,
    profile,
    compare,
    report,
    export_app,
    serve,
    publish,
    sensitivity,
    doctor,
)

INTERRUPTED = 130
"""The exit code after Ctrl-C."""

app = typer.Typer(
    name="evit-mobile",
    help="Turns a trained EfficientViT into proven Core ML, LiteRT and ExecuTorch artefacts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001  # read by main()
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Entry point: errors become a message on stderr and their documented exit code."""
    signal.signal(signal.SIGTERM, end)
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
