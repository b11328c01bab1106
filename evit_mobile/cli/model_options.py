"""The options by which a command is told which model it works with, and which images."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from calib.methods import Method
from evit_mobile.cli.options import IMAGES, MODEL, LabelsOption
from evit_mobile.request import ConvertRequest


def usual(name: str) -> str:
    """The default of a field of the request, as `--help` shows it."""
    return str(next(field.default for field in fields(ConvertRequest) if field.name == name))


ModelOption = Annotated[
    str | None, typer.Option("--model", help="Variant, see `evit-mobile models`.", rich_help_panel=MODEL)
]
WeightsOption = Annotated[
    str | None,
    typer.Option("--weights", help="FILE, bundled, hub, hf://OWNER/NAME, or random.", rich_help_panel=MODEL),
]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", help="Input size in pixels: N or HEIGHTxWIDTH, multiples of 32.", rich_help_panel=MODEL),
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
ColorOption = Annotated[
    str | None,
    typer.Option(
        "--color",
        metavar="RGB|BGR",
        help="Order of the model's channels. Files take RGB.",
        show_default="as stated with the weights",
        rich_help_panel=IMAGES,
    ),
]
ObserverOption = Annotated[
    Method | None,
    typer.Option(
        "--observer",
        metavar="METHOD",
        help=f"How int8 ranges follow from the calibration images: {', '.join(Method)}.",
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
    color: ColorOption = None
    observer: ObserverOption = None
    seed: SeedOption = None
    cache: CacheOption = None
