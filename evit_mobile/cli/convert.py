"""`evit-mobile convert`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from converters.registry import TARGETS
from evit_mobile.cli import flags
from evit_mobile.cli.model_options import ModelAndImages, usual
from evit_mobile.cli.options import (
    CORE_ML,
    EXECUTORCH,
    INTERFACE,
    LITERT,
    MODEL,
    OUTPUT,
    PRECISION,
    RECOVERY,
    FewOption,
    JsonOption,
    OnOption,
    SocOption,
    given,
    takes,
)
from evit_mobile.cli.show import progress, show
from evit_mobile.request import ConvertRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions(ModelAndImages):
    """What the command line can say. None and False are what was not said: defaults are those of `ConvertRequest`."""

    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="multilabel",
            help="A classifier that decides on each class by itself.",
            show_default="what the model is",
            rich_help_panel=MODEL,
        ),
    ] = None
    sizes: Annotated[
        str | None,
        typer.Option(
            "--sizes",
            help="Core ML and Core AI, in place of --size: several, as 224,256,192x288; the first is the usual one.",
            rich_help_panel=MODEL,
        ),
    ] = None
    int8: Annotated[
        bool,
        typer.Option("--int8", help="int8, calibrated, accuracy first (the default).", rich_help_panel=PRECISION),
    ] = False
    int8_weights: Annotated[
        bool,
        typer.Option(
            "--int8-weights",
            help="int8 weights, float arithmetic; needs no calibration.",
            rich_help_panel=PRECISION,
        ),
    ] = False
    int8_full: Annotated[
        bool,
        typer.Option(
            "--int8-full",
            help="Integers only, for NPUs; LiteRT. Takes and gives int8.",
            rich_help_panel=PRECISION,
        ),
    ] = False
    a16w8: Annotated[
        bool,
        typer.Option(
            "--a16w8",
            help="ONNX: int8 weights, activations of 16 bits, for models that lose too much at int8.",
            rich_help_panel=PRECISION,
        ),
    ] = False
    a16w16: Annotated[bool, typer.Option("--a16w16", hidden=True, help="Refused: Qualcomm's compiler fails on it.")] = (
        False
    )
    float_io: Annotated[
        bool,
        typer.Option("--float-io", help="With --int8-full: float input and output.", rich_help_panel=PRECISION),
    ] = False
    palette: Annotated[
        int | None,
        typer.Option(
            "--palette",
            help="Core ML and Core AI, with --int8 or --fp16: weights of 4 or 6 bits from palettes.",
            rich_help_panel=PRECISION,
        ),
    ] = None
    fp16: Annotated[bool, typer.Option("--fp16", help="16-bit floats.", rich_help_panel=PRECISION)] = False
    fp32: Annotated[bool, typer.Option("--fp32", help="32-bit floats.", rich_help_panel=PRECISION)] = False
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            help="Most points of top-1 that int8 may cost; modules stay float to keep to it.",
            rich_help_panel=PRECISION,
        ),
    ] = None
    image_input: Annotated[
        bool,
        typer.Option(
            "--image-input",
            help="Take an 8-bit RGB image, which the model normalises itself.",
            rich_help_panel=INTERFACE,
        ),
    ] = False
    class_output: Annotated[
        bool,
        typer.Option(
            "--class-output",
            help="Give probabilities, and name the classes in the file; Core ML gives these beside the scores.",
            rich_help_panel=INTERFACE,
        ),
    ] = False
    ios: Annotated[
        int | None,
        typer.Option(
            "--ios",
            help="Core ML: oldest iOS to run on, 16, 17 or 18.",
            show_default="what the precision needs",
            rich_help_panel=CORE_ML,
        ),
    ] = None
    cpu_only: Annotated[
        bool,
        typer.Option(
            "--cpu-only",
            help="LiteRT: the form that is best on CPUs, which GPUs refuse or compute wrongly.",
            rich_help_panel=LITERT,
        ),
    ] = False
    delegate: Annotated[
        str | None,
        typer.Option(
            "--delegate",
            help="ExecuTorch: the delegate that the file calls: xnnpack, coreml, vulkan or vgf.",
            show_default="xnnpack",
            rich_help_panel=EXECUTORCH,
        ),
    ] = None
    relu_attention: Annotated[
        bool,
        typer.Option(
            "--relu-attention",
            help="M: ReLU linear attention, another function, recovered.",
            rich_help_panel=RECOVERY,
        ),
    ] = False
    relu_activation: Annotated[
        bool,
        typer.Option(
            "--relu-activation",
            help="B, L: ReLU activations, another function, recovered.",
            rich_help_panel=RECOVERY,
        ),
    ] = False
    recovery_steps: Annotated[
        int | None,
        typer.Option(
            "--recovery-steps",
            metavar="N",
            min=0,
            help="Optimiser steps of a recovery.",
            show_default="300",
            rich_help_panel=RECOVERY,
        ),
    ] = None
    socs: SocOption = None
    on: OnOption = None
    allow_few: FewOption = False
    format: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"{', '.join(TARGETS)} or {flags.ALL}; repeat for several.",
            show_default="those with the precision",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    out: Annotated[
        Path | None, typer.Option("--out", help="Output folder.", show_default=usual("out"), rich_help_panel=OUTPUT)
    ] = None
    golden: Annotated[
        int | None,
        typer.Option(
            "--golden",
            metavar="N",
            min=0,
            help="Images of the golden vectors for apps; 0 for none.",
            show_default=usual("golden"),
            rich_help_panel=OUTPUT,
        ),
    ] = None
    request: Annotated[
        Path | None,
        typer.Option(
            "--request",
            metavar="FILE",
            help="Repeat the conversion of this manifest.json; other options given override it.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    json: JsonOption = False


@takes(ConvertOptions)
def convert(options: ConvertOptions) -> None:
    """Convert a model and prove each written file against the PyTorch reference."""
    from evit_mobile.request.checks import usable_targets

    request = requested(options)
    usable_targets(request)  # what is misspelt need not wait for torch

    from evit_mobile.commands.convert import run
    from evit_mobile.report import tables

    with progress() as report:
        conversion = run(request, report)
    show(conversion.manifest, options.json, tables.manifest_table)
    raise typer.Exit(0 if conversion.proven else 1)


def requested(options: ConvertOptions) -> ConvertRequest:
    """What the options ask for; with --request, what that says where they say nothing. Raises UsageError."""
    from evit_mobile.request.request import saved_request

    saved = {} if options.request is None else saved_request(options.request)
    return ConvertRequest.from_json({**saved, **fields_of(options)})


def fields_of(options: ConvertOptions) -> dict[str, Any]:
    """The request's fields that the options give: those of the same name, and those that flags or texts become."""
    known = {field.name for field in fields(ConvertRequest)}
    plain = {name: value for name, value in given(options).items() if name in known}
    derived = {
        "formats": flags.chosen_formats(options.format),
        "precision": flags.chosen_precision(
            options.palette,
            int8=options.int8,
            int8_weights=options.int8_weights,
            int8_full=options.int8_full,
            a16w8=options.a16w8,
            a16w16=options.a16w16,
            fp16=options.fp16,
            fp32=options.fp32,
        ),
        "sizes": flags.parse_sizes(options.sizes),
        "variation": flags.chosen_variation(
            relu_attention=options.relu_attention, relu_activation=options.relu_activation
        ),
    }
    return plain | flags.input_fields(options) | {name: value for name, value in derived.items() if value is not None}
