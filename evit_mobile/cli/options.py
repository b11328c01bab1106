"""Options that several commands have, the panels of `--help`, and commands that take a dataclass of options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from calib.methods import Method
from evit_mobile.request import ConvertRequest

MODEL, PRECISION, IMAGES, CORE_ML = "Model", "Precision", "Images", "Core ML"
LITERT, EXECUTORCH, RECOVERY, JUDGES, OUTPUT = "LiteRT", "ExecuTorch", "Recovery", "Judges", "Output"


def usual(name: str) -> str:
    """The default of a field of the request, as `--help` shows it."""
    return str(next(field.default for field in fields(ConvertRequest) if field.name == name))


OnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        metavar="JUDGE",
        help="What runs the written files, see `evit-mobile doctor`; repeat for several, each of which has to pass them.",
        show_default="the usual one of each format",
        rich_help_panel=JUDGES,
    ),
]
SocOption = Annotated[
    list[str] | None,
    typer.Option(
        "--soc",
        metavar="SOC",
        help="A Qualcomm SoC that LiteRT files are compiled for, as SM8650; repeat for several.",
        rich_help_panel=LITERT,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
ArtefactArgument = Annotated[Path, typer.Argument(metavar="ARTEFACT", help="A .tflite, .pte or .mlpackage.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Variant, see `evit-mobile models`.", rich_help_panel=MODEL)
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="FILE, bundled, hub, hf://OWNER/NAME, or random.", rich_help_panel=MODEL),
]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", help="Input pixels: N or HEIGHTxWIDTH, multiples of 32.", rich_help_panel=MODEL),
]
ClassesOption = Annotated[
    int | None, typer.Option("--num-classes", help="Expected number of classes.", rich_help_panel=MODEL)
]
CalibOption = Annotated[
    Path | None,
    typer.Option(
        "--calib",
        help="Images to calibrate and judge with: folder, .npz, .npy, idx, list file or .parquet.",
        rich_help_panel=IMAGES,
    ),
]
FewOption = Annotated[
    bool,
    typer.Option(
        "--allow-few",
        help="Let fewer held-out images than a verdict rests on be enough.",
        rich_help_panel=JUDGES,
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Names of the classes in the order of the logits: a name a line, or JSON.",
        show_default="those with the weights",
        rich_help_panel=MODEL,
    ),
]
PreprocessOption = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="FILE|NAME",
        help="How images become the input: a JSON of timm, Hugging Face or a manifest; or timm:NAME, or torchvision.",
        show_default="as stated with the weights",
        rich_help_panel=IMAGES,
    ),
]
MeanOption = Annotated[
    str | None,
    typer.Option(
        "--mean", metavar="R,G,B", help="Mean of values from 0 to 1; one number for all.", rich_help_panel=IMAGES
    ),
]
StdOption = Annotated[
    str | None, typer.Option("--std", metavar="R,G,B", help="Standard deviation, likewise.", rich_help_panel=IMAGES)
]
CropOption = Annotated[
    float | None,
    typer.Option("--crop-pct", help="Share of the resized side that is kept, as in timm.", rich_help_panel=IMAGES),
]
InterpolationOption = Annotated[
    str | None,
    typer.Option(
        "--interpolation",
        help="Pillow's filter: nearest, box, bilinear, hamming, bicubic or lanczos.",
        rich_help_panel=IMAGES,
    ),
]
SquashOption = Annotated[
    bool | None,
    typer.Option(
        "--squash/--cover", help="Resize to the box exactly, or keep the aspect ratio.", rich_help_panel=IMAGES
    ),
]
ObserverOption = Annotated[
    Method | None,
    typer.Option(
        "--observer",
        help="How int8 ranges follow from the calibration images.",
        show_default=usual("observer"),
        rich_help_panel=IMAGES,
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", help="Seed of every random choice.", show_default=usual("seed"), rich_help_panel=IMAGES),
]
CacheOption = Annotated[
    bool | None,
    typer.Option(
        "--cache/--no-cache",
        help="Keep and reuse finished calibrations.",
        show_default="cache",
        rich_help_panel=IMAGES,
    ),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAndImages:
    """Which model, and which images calibrate it. None is what was not said."""

    model: ModelOption = None
    weights: WeightsOption = None
    num_classes: ClassesOption = None
    labels: LabelsOption = None
    size: SizeOption = None
    calib: CalibOption = None
    preprocess: PreprocessOption = None
    mean: MeanOption = None
    std: StdOption = None
    crop_pct: CropOption = None
    interpolation: InterpolationOption = None
    squash: SquashOption = None
    observer: ObserverOption = None
    seed: SeedOption = None
    cache: CacheOption = None


def given(options: object) -> dict[str, Any]:
    """The options that were on the command line, by name: the others are None, or flags that are False."""
    values = {field.name: getattr(options, field.name) for field in fields(options)}  # type: ignore[arg-type]  # a dataclass
    return {name: value for name, value in values.items() if value is not None and value is not False}
