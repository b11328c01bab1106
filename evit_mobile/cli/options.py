"""Options that several commands have, the panels of `--help`, and commands that take a dataclass of options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

MODEL, PRECISION, IMAGES, INTERFACE, CORE_ML = "Model", "Precision", "Images", "Input and output", "Core ML"
LITERT, EXECUTORCH, RECOVERY, JUDGES, OUTPUT = "LiteRT", "ExecuTorch", "Recovery", "Judges", "Output"


OnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        metavar="JUDGE",
        help="What runs the written files (`evit-mobile doctor` lists them); repeat for several: all have to pass.",
        show_default="the usual one of each format",
        rich_help_panel=JUDGES,
    ),
]
SocOption = Annotated[
    list[str] | None,
    typer.Option(
        "--soc",
        metavar="SOC",
        help="Qualcomm SoC to compile LiteRT and ONNX files for, such as SM8650; repeat for several.",
        rich_help_panel=LITERT,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
ArtefactArgument = Annotated[Path, typer.Argument(metavar="ARTEFACT", help="A file or package that `convert` wrote.")]
FewOption = Annotated[
    bool,
    typer.Option(
        "--allow-few",
        help="Judge on fewer held-out images than a verdict usually needs.",
        rich_help_panel=JUDGES,
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Class names in the order of the logits: one per line, or JSON.",
        show_default="those with the weights",
        rich_help_panel=MODEL,
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option("--ray", metavar="auto|ADDRESS", help="Run on a Ray cluster: auto, HOST:PORT or ray://HOST:PORT."),
]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Folder of images, .npz, .npy, idx, list file or .parquet.")
]

Options = TypeVar("Options")


def takes(options: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Makes a command of a function of one dataclass, whose fields are the arguments and options of the command line."""
    hints = get_type_hints(options, include_extras=True)

    def decorate(command: Callable[[Options], None]) -> Callable[..., None]:
        def call(**given: Any) -> None:
            command(options(**given))

        call.__name__, call.__doc__, call.__annotations__ = command.__name__, command.__doc__, dict(hints)
        call.__signature__ = Signature(  # type: ignore[attr-defined]  # what `inspect.signature` reads
            [parameter(field.name, field.default, hints[field.name]) for field in fields(options)]  # type: ignore[arg-type]  # a dataclass
        )
        return call

    return decorate


def parameter(name: str, default: object, annotation: object) -> Parameter:
    """The field of a dataclass as a parameter of a function."""
    usual = Parameter.empty if default is MISSING else default
    return Parameter(name, Parameter.KEYWORD_ONLY, default=usual, annotation=annotation)


def given(options: object) -> dict[str, Any]:
    """The options that were on the command line, by name: the others are None, or flags that are False and never None. False as
    `--no-cache` says it was on the command line.
    """
    found = {}
    for field in fields(options):  # type: ignore[arg-type]  # a dataclass
        value = getattr(options, field.name)
        if value is not None and (value is not False or field.default is None):
            found[field.name] = value
    return found
