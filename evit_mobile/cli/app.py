"""The command line. A command parses its arguments, calls one function and prints what it returns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

import evit_mobile
from converters.registry import TARGETS

app = typer.Typer(
    name="evit-mobile",
    help="Turns a trained EfficientViT into proven Core ML, LiteRT and ExecuTorch artefacts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


ALL = "all"
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
ArtefactArgument = Annotated[Path, typer.Argument(metavar="ARTEFACT", help="A .tflite, .pte or .mlpackage.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Variant, see `evit-mobile models`.")]
WeightsOption = Annotated[str | None, typer.Option("--weights", help="FILE, bundled, hub, hf://OWNER/NAME, or random.")]
SizeOption = Annotated[str | None, typer.Option("--size", help="Input pixels: N or HEIGHTxWIDTH, multiples of 32.")]
SizesOption = Annotated[
    str | None,
    typer.Option(
        "--sizes", help="Core ML, in place of --size: several, as 224,256,192x288; the first is the usual one."
    ),
]
ClassesOption = Annotated[int | None, typer.Option("--num-classes", help="Expected number of classes.")]
CalibOption = Annotated[
    Path | None,
    typer.Option("--calib", help="Images to calibrate and judge with: folder, .npz, .npy, idx, list file or .parquet."),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of every random choice.")]
CacheOption = Annotated[bool, typer.Option("--cache/--no-cache", help="Keep and reuse finished calibrations.")]
ImagesOption = Annotated[
    Path | None, typer.Option("--images", help="Folder of images, .npz, .npy, idx, list file or .parquet.")
]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,  # noqa: ARG001  # read by main()
) -> None:
    if version:
        print(evit_mobile.__version__)
        raise typer.Exit


@app.command()
def models(json: JsonOption = False) -> None:
    """List every variant: parameters, MACs, default size, bundled weights."""
    from evit_mobile.report import tables

    show(tables.model_rows(), json, tables.models_table)


@app.command()
def convert(
    format: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="|".join([*TARGETS, ALL]),
            help="Target format; repeat for several.",
            show_default="those with the precision",
        ),
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="int8, calibrated, accuracy first (the default).")] = False,
    int8_weights: Annotated[
        bool, typer.Option("--int8-weights", help="int8 weights, float arithmetic; needs no calibration.")
    ] = False,
    int8_full: Annotated[
        bool, typer.Option("--int8-full", help="Integers only, for NPUs; LiteRT. Takes and gives int8.")
    ] = False,
    float_io: Annotated[bool, typer.Option("--float-io", help="With --int8-full: float input and output.")] = False,
    palette: Annotated[
        int | None,
        typer.Option("--palette", help="Core ML, with --int8 or --fp16: weights of 4 or 6 bits from palettes."),
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="16-bit floats.")] = False,
    fp32: Annotated[bool, typer.Option("--fp32", help="32-bit floats.")] = False,
    model: ModelOption = None,
    weights: WeightsOption = None,
    size: SizeOption = None,
    num_classes: ClassesOption = None,
    calib: CalibOption = None,
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("out"),
    max_drop: Annotated[
        float | None,
        typer.Option("--max-drop", help="Points of top-1 an int8 artefact may lose; modules stay float for it."),
    ] = None,
    seed: SeedOption = 0,
    sizes: SizesOption = None,
    image_input: Annotated[
        bool, typer.Option("--image-input", help="Core ML: take an RGB image, which the model normalises itself.")
    ] = False,
    class_output: Annotated[
        bool, typer.Option("--class-output", help="Core ML: also give the class label and probabilities.")
    ] = False,
    ios: Annotated[
        int | None,
        typer.Option(
            "--ios", help="Core ML: oldest iOS to run on, 16, 17 or 18.", show_default="what the precision needs"
        ),
    ] = None,
    delegate: Annotated[
        str | None,
        typer.Option(
            "--delegate", help="ExecuTorch: what the file calls, xnnpack, coreml or vulkan.", show_default="xnnpack"
        ),
    ] = None,
    relu_attention: Annotated[
        bool, typer.Option("--relu-attention", help="M: ReLU linear attention, another function, recovered.")
    ] = False,
    relu_activation: Annotated[
        bool, typer.Option("--relu-activation", help="B, L: ReLU activations, another function, recovered.")
    ] = False,
    recovery_steps: Annotated[
        int | None, typer.Option("--recovery-steps", min=0, help="Optimiser steps of a recovery.", show_default="300")
    ] = None,
    golden: Annotated[
        int, typer.Option("--golden", min=0, help="Images of the golden vectors for apps; 0 for none.")
    ] = 8,
    cache: CacheOption = True,
    json: JsonOption = False,
) -> None:
    """Convert a model and prove each written file against the PyTorch reference."""
    from evit_mobile.commands import convert as pipeline
    from evit_mobile.interface import Interface
    from evit_mobile.report import tables

    precision = chosen_precision(
        palette, int8=int8, int8_weights=int8_weights, int8_full=int8_full, fp16=fp16, fp32=fp32
    )
    variation = chosen_variation(recovery_steps, relu_attention=relu_attention, relu_activation=relu_activation)
    with progress() as report:
        conversion = pipeline.convert(
            model,
            formats=chosen_formats(format),
            precision=precision,
            weights=weights,
            size=parse_size(size),
            sizes=parse_sizes(sizes),
            num_classes=num_classes,
            calib=calib,
            out=out,
            max_drop=max_drop,
            seed=seed,
            float_io=float_io,
            variation=variation,
            recovery_steps=recovery_steps,
            cache=cache,
            interface=Interface(image_input=image_input, class_output=class_output, ios=ios),
            delegate=delegate,
            golden=golden,
            report=report,
        )
    show(conversion.manifest, json, tables.manifest_table)
    raise typer.Exit(0 if conversion.proven else 1)


@app.command()
def validate(
    artefact: Annotated[Path, typer.Argument(metavar="ARTEFACT|DIR", help="An artefact, or a folder of them.")],
    images: ImagesOption = None,
    weights: Annotated[str | None, typer.Option("--weights", help="Where the reference's weights are now.")] = None,
    json: JsonOption = False,
) -> None:
    """Prove a written artefact again: its bytes, its outputs, its accuracy."""
    from evit_mobile.commands import validate as reading
    from evit_mobile.report import tables

    with progress() as report:
        result = reading.validate(artefact, images=images, weights=weights, report=report)
    show(tables.revalidation_rows(result), json, tables.revalidation_table)
    raise typer.Exit(0 if result.proven else 1)


@app.command()
def inspect(artefact: ArtefactArgument, json: JsonOption = False) -> None:
    """Show operations, delegated share, partitions, dtypes and bytes of an artefact."""
    from evit_mobile.commands import validate as reading
    from evit_mobile.report import tables

    with progress() as report:
        report(f"reading {artefact.name}")
        inspection = reading.inspect(artefact)
    show(tables.inspection_entry(artefact, inspection), json, tables.inspection_table)


@app.command()
def evaluate(
    artefact: ArtefactArgument,
    images: ImagesOption = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N images.")] = None,
    reference: Annotated[bool, typer.Option("--reference", help="Also run the fp32 reference (slower).")] = False,
    json: JsonOption = False,
) -> None:
    """Measure top-1 and top-5 of an artefact on labelled images."""
    from evit_mobile.commands import validate as reading
    from evit_mobile.report import tables

    with progress() as report:
        result = reading.evaluate(artefact, images=images, limit=limit, with_reference=reference, report=report)
    show(tables.evaluation_entry(result), json, tables.evaluation_table)


@app.command()
def profile(
    artefacts: Annotated[list[Path], typer.Argument(metavar="ARTEFACT...", help="Artefacts to measure side by side.")],
    on: Annotated[
        str,
        typer.Option(
            "--on",
            help="Where: host, adb[:SERIAL], android-app[:SERIAL], ssh:USER@HOST, ios-report:FILE, android-report:FILE,"
            " web-report:FILE.",
        ),
    ] = "host",
    python: Annotated[str, typer.Option("--python", help="Interpreter with the runtimes behind ssh.")] = "python3",
    runner: Annotated[Path | None, typer.Option("--runner", help="Program that runs artefacts behind adb.")] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of the runtime.")] = 1,
    bound: Annotated[float, typer.Option("--bound", help="Stop when the median is known within this share.")] = 0.01,
    budget: Annotated[float, typer.Option("--budget", help="Longest measurement of one artefact, seconds.")] = 20.0,
    force_energy: Annotated[
        bool, typer.Option("--force-energy", help="Take the battery's current even while it charges.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where results are added.", show_default="profile.jsonl beside")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure latency, memory, operators and energy of artefacts on a device."""
    from evit_mobile.profiling import run
    from evit_mobile.profiling.protocol import Settings
    from evit_mobile.report import profiles

    settings = Settings(threads=threads, bound=bound, budget_s=budget)
    with progress() as report:
        document = run.profile(
            artefacts,
            place=on,
            settings=settings,
            python=python,
            runner=runner,
            out=out,
            force_energy=force_energy,
            report=report,
        )
    show(document, json, profiles.profile_tables)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A profiled artefact, or a profile.jsonl.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="What to compare with it, likewise.")],
    json: JsonOption = False,
) -> None:
    """Compare the latest profiles of two artefacts, or of the same artefacts in two files, with intervals."""
    from evit_mobile.profiling import comparison
    from evit_mobile.report import profiles

    show(comparison.compare(first, second), json, profiles.comparison_table)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `convert` wrote.")],
    html: Annotated[bool, typer.Option("--html", help="One self-contained HTML page (the only form so far).")] = True,  # noqa: ARG001  # named by the contract
    out: Annotated[Path | None, typer.Option("--out", help="The page.", show_default="report.html in DIR")] = None,
    json: JsonOption = False,
) -> None:
    """Write a page about a folder: manifest, validation, delegation, latency, operators, energy."""
    from evit_mobile.report.html import write_page

    show({"page": str(write_page(folder, out))}, json, lambda document: f"wrote {document['page']}")


@app.command()
def export_app(
    name: Annotated[str, typer.Argument(metavar="android|ios|web", help="The demo app.")],
    source: Annotated[Path, typer.Option("--from", metavar="DIR", help="A folder that `convert` wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="APPDIR", help="The app's folder.", show_default="the one in this checkout"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also artefacts that did not pass.")] = False,
    json: JsonOption = False,
) -> None:
    """Put artefacts, manifest and golden vectors into a demo app."""
    from evit_mobile.demos.export import export_app
    from evit_mobile.report import tables

    show(export_app(name, source, out, force=force), json, tables.export_table)


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `convert` wrote.")],
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 for any.")] = 8000,
    node_modules: Annotated[
        Path | None,
        typer.Option(
            "--node-modules", help="Where npm put LiteRT.js.", show_default="web_demo's, or the current folder's"
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Serve the browser demo with a folder of artefacts on this machine, until Ctrl-C."""
    from evit_mobile.demos import serve as demo
    from evit_mobile.report import tables

    def ready(url: str) -> None:
        show({"url": url, "folder": str(folder)}, json, tables.address_table)
        sys.stdout.flush()

    demo.serve(folder, port=port, node_modules=node_modules, ready=ready)


@app.command()
def sensitivity(
    model: ModelOption = None,
    weights: WeightsOption = None,
    size: SizeOption = None,
    num_classes: ClassesOption = None,
    calib: CalibOption = None,
    seed: SeedOption = 0,
    cache: CacheOption = True,
    plot: Annotated[Path | None, typer.Option("--plot", help="Also draw the ranking: .svg, .png or .pdf.")] = None,
    json: JsonOption = False,
) -> None:
    """Rank modules by the harm of quantizing each to int8."""
    from evit_mobile.commands import sensitivity as ranking
    from evit_mobile.report.sensitivity_table import sensitivity_entry, sensitivity_table

    if plot is not None:
        ranking.check_plot(plot)
    with progress() as report:
        result = ranking.sensitivity(
            model,
            weights=weights,
            size=parse_size(size),
            num_classes=num_classes,
            calib=calib,
            seed=seed,
            cache=cache,
            report=report,
        )
    if plot is not None:
        ranking.plot(result, plot)
    show(sensitivity_entry(result), json, sensitivity_table)


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Show what is installed and what each target can do on this machine."""
    from evit_mobile.report import tables

    with progress() as report:
        report("looking for toolchains")
        rows = tables.doctor_rows()
    show(rows, json, tables.doctor_table)


def chosen_precision(palette: int | None = None, **flags: bool) -> str:
    """The one precision whose flag (int8, int8_weights...) was given; int8 when none was. Raises UsageError for two."""
    from converters.contract import Precision
    from evit_mobile.errors import UsageError

    asked = [name.replace("_", "-") for name, wanted in flags.items() if wanted]
    if len(asked) > 1:
        raise UsageError(
            got=" and ".join(f"--{name}" for name in asked), allowed="one precision", do="convert once per precision"
        )
    precision = asked[0] if asked else "int8"
    if palette is None:
        return precision
    if f"{precision}-palette{palette}" not in list(Precision):
        raise UsageError(
            got=f"--{precision} --palette {palette}",
            allowed="--palette 4 or 6, with --int8 or --fp16",
            do="choose one of these",
        )
    return f"{precision}-palette{palette}"


def chosen_variation(steps: int | None, *, relu_attention: bool, relu_activation: bool) -> str | None:
    """The one variation that was asked for. Raises UsageError for two, or for `steps` without one."""
    from evit_mobile.errors import UsageError

    asked = [
        name for name, wanted in (("relu-attention", relu_attention), ("relu-activation", relu_activation)) if wanted
    ]
    if len(asked) > 1:
        raise UsageError(
            got="--relu-attention and --relu-activation",
            allowed="one: --relu-attention for M models, --relu-activation for B and L models",
            do="leave the other out",
        )
    if steps is not None and not asked:
        raise UsageError(
            got="--recovery-steps without anything to recover",
            allowed="--recovery-steps with --relu-attention or --relu-activation",
            do="leave it out, or add one of these",
        )
    return asked[0] if asked else None


def chosen_formats(formats: list[str] | None) -> list[str] | None:
    """Names of the targets; None when none was named."""
    return list(TARGETS) if formats and ALL in formats else formats or None


def parse_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) from "224" or "192x256". Raises UsageError for anything else."""
    from evit_mobile.errors import UsageError

    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise UsageError(
            got=f"size {text!r}", allowed="N or HEIGHTxWIDTH in pixels", do="pass for example --size 192x256"
        )
    return int(sides[0]), int(sides[-1])


def parse_sizes(text: str | None) -> tuple[tuple[int, int], ...]:
    """(height, width) of each size in a list like "224,192x256". Raises UsageError as `parse_size`."""
    parsed = [parse_size(part.strip()) for part in text.split(",")] if text is not None else []
    return tuple(size for size in parsed if size is not None)


@contextmanager
def progress() -> Iterator[Any]:
    """A function that shows one line of progress on stderr: a spinner on a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda message: console.print(message, highlight=False, soft_wrap=True)
        return
    with console.status("starting") as status:
        yield status.update


def show(document: Any, json: bool, table: Any) -> None:
    """Prints `document` as JSON on stdout, or as the table that `table(document)` makes of it."""
    from evit_mobile.manifest import to_json

    if json:
        sys.stdout.write(to_json(document))
        return
    from rich.console import Console

    Console().print(table(document))


def main() -> None:
    """Entry point: errors become a message on stderr and their documented exit code."""
    if "--debug" in sys.argv:
        app()
        return
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        print("interrupted; files already finished are complete", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        sys.exit(explain(error))


def explain(error: Exception) -> int:
    """Prints an error for people and returns its exit code."""
    from rich.console import Console

    console = Console(stderr=True)
    code = getattr(error, "exit_code", None)
    if isinstance(code, int) and hasattr(error, "got"):
        for label, text in (("error: got", error.got), ("allowed", error.allowed), ("do", error.do)):  # type: ignore[attr-defined]  # checked above
            console.print(f"[bold red]{label}[/] ", end="")
            console.print(text, markup=False, highlight=False, soft_wrap=True)
        return code
    if isinstance(error, OSError):
        console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return 2
    console.print(f"internal error: {type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
    console.print("this is a bug; run again with --debug before the command for the traceback")
    return 3
