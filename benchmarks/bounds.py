"""What bounds our files: the time of their operators by kind, beside that of convolutions alone, on one thread.

    python -m benchmarks.bounds FILE...        files that `convert` wrote

Writes `benchmarks/results/bounds/*.json`, a file's each, and from all results `docs/benchmarks.md`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.machine import Machine, hardware_words, this_machine
from benchmarks.results import Comparison, from_json, to_json
from benchmarks.tables import table
from converters.contract import Precision

CONVOLUTIONS = {"convolution", "depthwise convolution", "linear layer"}
MOST = 5
"""Other kinds that are named, the slowest ones."""
GOALS = {
    ("efficientvit_m0", "litert", Precision.FP32): 0.90,
    ("efficientvit_m0", "litert", Precision.INT8): 0.40,
    ("efficientvit_m0", "executorch", Precision.FP32): 0.58,
    ("efficientvit_b0", "litert", Precision.FP32): 0.90,
    ("efficientvit_b0", "litert", Precision.INT8): 0.48,
    ("efficientvit_b0", "executorch", Precision.FP32): 0.70,
    ("efficientvit_b0", "executorch", Precision.INT8): 0.46,
}
"""What the ratio to the stock fp32 file was to be at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`count` operators of one kind take `ms` together."""

    name: str
    count: int
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A file's operators. `whole_ms` is a run without a profiler; times with one are longer and add up to another sum."""

    model: str
    runtime: str
    precision: str
    sha256: str
    date: str
    machine: Machine
    whole_ms: float
    kinds: tuple[Kind, ...]

    @property
    def sum_ms(self) -> float:
        return sum(kind.ms for kind in self.kinds)

    @property
    def convolutions(self) -> float:
        """Share of the operators' time that convolutions and linear layers take."""
        return sum(kind.ms for kind in self.kinds if kind.name in CONVOLUTIONS) / self.sum_ms


INTRODUCTION = """\
## What bounds it

Operators of our files by kind, as `evit-mobile profile` times them on one thread; shares are of the operators' sum. *Of stock* is the
file's time as a multiple of the stock fp32 file's, from the tables above. *Goal* is what that was to be at most. *Convolutions alone*
is that multiple if nothing but convolutions and linear layers took any time: what no change to the rest can go below. *The rest may
take* says what reaching the goal would leave of the time of everything else.

Convolutions bound all of these files: they take two thirds of the time and more. Stock files have the same ones, in XNNPACK's kernels
as ours, so what can be gained is what stands around them. Where they are slow:

- fp32: convolutions of one pixel run near the machine's peak, m0's at 48 of 54 GMAC/s, and are 64 % (m0) and 61 % (b0) of LiteRT's time.
  b0's depthwise ones run at a third of it (18 %), as does the first convolution, whose input and table of pointers do not fit the cache
  (7 and 5 %). b0's layer of 1024 x 1280 reads 5 MB of weights for each image (8 %).
- int8: b0's depthwise ones take as long as in fp32 (25 %). Its expansions write four values for each that they read and are bound by
  that: 46 GMAC/s from 8 channels to 32, where 206 is the peak.
- ExecuTorch shapes and sets up every operator again at each run: 50 to 190 us for m0, 4 to 6 % of its time.

Of the ideas for the rest, these were taken or left:

- Reached: m0 int8 in LiteRT. On 24 November it was 0.43, with the files of that day, on a machine that takes 0.4 of the time for
  everything; the others' ratios moved by 0.01 to 0.07 between the two, in both directions.
- Taken: the image is read where the caller has it, not copied, and int8 files move its planes four pixels at a time. Beside the
  ExecuTorch files before, in two runs: m0 fp32 0.97 and 0.97 of the time, int8 0.93 and 0.89; b0 fp32 0.94 and 0.98, int8 0.97 and 0.95.
- Beside other work the ratios of two runs differ: LiteRT fp32 had 0.91 (m0) and 0.97 (b0) in one, 0.95 and 0.96 in the other, ExecuTorch
  0.69 and 0.72, 0.70 and 0.77.
- Tried: a residual folded into m0's depthwise convolutions makes int8 1.8 % faster and 0.2 dB worse; fp32 gains nothing.
- Tried: the first convolution in fp32 with two outputs at a time (a window of 3 x 5, 16 filters) takes 0.8 of its time here, 1 % of a
  file's. Arm's kernels compute 8 filters at a time and would have 1.7 times the work.
- Tried: planes in fp32 moved two or four pixels at a time take 3.5 and 1.9 times as long as pixel by pixel.
- Tried: XNNPACK's transient table of pointers (XNN_FLAG_TRANSIENT_INDIRECTION_BUFFER) for all convolutions, ExecuTorch fp32: m0 takes
  1.09 of the time, b0 1.07.
- Tried: attention as one operator. ExecuTorch's schema has it (XNNScaledDotProductAttention), its 1.4.1 runtime refuses it.
- Tried: queries left in rows of a window, multiplied with keys of the whole window, spare m0 40 of 497 operators in ExecuTorch. A head
  takes 1.02 of the time; the operators not shaped again would make up for 0.7 % (fp32) and 1.7 % (int8). Windows are one batch already;
  cutting and joining them takes 0.5 %.
- Tried: keys stored the other way round for the product: 0.95 of its time, less than turning them costs.
- Reckoned: softmax without its maximum would take half the time and overflow beyond scores of 88, in fp16 of 11.
- Reckoned: hard swish as a clamp form, in int8. A table takes 0.10 ns for a value, an int8 addition 0.18 (b0 at 64 pixels). The form
  needs an addition and a multiplication in place of one table.
- Tried: what b0's first pointwise convolution (V) joined with the expansion behind it (W) needs, [W | W V] over input and hidden values
  side by side. That would save 38 us of int8; putting the two side by side takes 87.
- Looked up: QUANTIZE of equal scales. None is left: b0 has 8 between int8 values, all of different scales, m0 has none.
- Reckoned: splitting a projection to save the concatenation before it. All concatenations take 1.4 % of b0 and 1.1 % of m0 (int8 at 64
  pixels). In place of one stands an addition of the whole projection.
- Not tried: 5x5 depthwise convolutions as two of 3x3, which would be another model.
- Not tried: weights mapped from the file. XNNPACK packs them first, and keeps that only in a cache of its own on disk.
"""

HEADINGS = (
    "model",
    "runtime",
    "precision",
    "convolutions",
    "of stock",
    "goal",
    "convolutions alone",
    "the rest may take",
    "the rest, slowest first",
)


def bounds_section(bounds: Sequence[Bound], comparisons: Sequence[Comparison]) -> str:
    """The section; `comparisons` have the files' ratios to stock."""
    if not bounds:
        return ""
    machines = dict.fromkeys(f"- {bound.date[:10]}, {hardware_words(bound.machine)}" for bound in bounds)
    rows = [row(bound, of_stock(bound, comparisons)) for bound in bounds]
    return "\n".join([INTRODUCTION, *machines, "", table(HEADINGS, rows), ""])


def row(bound: Bound, stock: float | None) -> tuple[str, ...]:
    others = sorted((kind for kind in bound.kinds if kind.name not in CONVOLUTIONS), key=lambda kind: -kind.ms)[:MOST]
    return (
        bound.model,
        bound.runtime,
        bound.precision,
        percent(bound.convolutions),
        *reach(bound, stock),
        ", ".join(f"{kind.count} x {kind.name} {percent(kind.ms / bound.sum_ms)}" for kind in others),
    )


def reach(bound: Bound, stock: float | None) -> tuple[str, str, str, str]:
    """The ratio to stock, its goal, the ratio of convolutions alone, and what the goal leaves to the rest."""
    goal = GOALS.get((bound.model, bound.runtime, Precision(bound.precision)))
    aim = "-" if goal is None else f"{goal:.2f}"
    if stock is None:
        return "-", aim, "-", "-"
    alone = stock * bound.convolutions
    if goal is None:
        left = "-"
    elif stock <= goal:
        left = "all, reached"
    else:
        left = "nothing is enough" if alone >= goal else percent((goal - alone) / (stock - alone))
    return f"{stock:.2f}", aim, f"{alone:.2f}", left


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def of_stock(bound: Bound, comparisons: Sequence[Comparison]) -> float | None:
    """The median of the file's ratio to the stock fp32 file on one thread; None where it was not measured."""
    wanted = (bound.model, bound.runtime, "ours", bound.precision)
    for comparison in comparisons:
        for result in comparison.results:
            item = result.candidate
            if len(comparison.models) == 1 and (item.model, item.runtime, item.origin, item.precision) == wanted:
                ratios = [one.of_stock.median for one in result.timings if one.threads == 1 and one.of_stock]
                return next(iter(ratios), None)
    return None


def read_bounds(folder: Path) -> list[Bound]:
    return [from_json(Bound, json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]


def measured(path: Path) -> Bound:
    """Profiles a file, MODEL.PRECISION.SUFFIX by name. Raises ArtefactError, and SystemExit where this machine tells no operators'
    times.
    """
    from converters.files import sha256
    from evit_mobile.profiling.host import operators
    from evit_mobile.profiling.protocol import Settings
    from evit_mobile.profiling.records import subject
    from evit_mobile.report.profiles import by_kind

    item = subject(path)
    found = operators(item, Settings(), 0.0)
    if "unavailable" in found:
        raise SystemExit(f"{path}: {found['unavailable']}")
    model, precision, _ = path.name.split(".")
    return Bound(
        model=model,
        runtime={"tflite": "litert"}.get(item.format, item.format),
        precision=Precision(precision),
        sha256=sha256(path),
        date=time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
        machine=this_machine(),
        whole_ms=found["whole_ms"],
        kinds=tuple(Kind(name=name, count=count, ms=ms) for name, count, ms in by_kind(found["rows"])),
    )


def main(files: Annotated[list[Path], typer.Argument()]) -> None:
    """Profile files that `convert` wrote, and write what bounds them."""
    from benchmarks.report import write_document

    checkout = Path(__file__).resolve().parents[1]
    results = checkout / "benchmarks" / "results"
    (results / "bounds").mkdir(parents=True, exist_ok=True)
    for bound in map(measured, files):
        name = f"{bound.model}.{bound.precision}.{bound.runtime}.json"
        (results / "bounds" / name).write_text(json.dumps(to_json(bound), indent=1) + "\n")
    write_document(results, checkout / "docs" / "benchmarks.md")


if __name__ == "__main__":
    typer.run(main)
