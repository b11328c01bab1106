"""The section "Cost" of docs/benchmarks.md."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cost.results import Cost, peaks
from benchmarks.cost.tasks import TASKS
from benchmarks.machine import hardware_words
from benchmarks.results import from_json
from benchmarks.statistics import Spread
from benchmarks.tables import number, table

INTRODUCTION = """\
## Cost

What commands take, beside the build of an earlier commit that did the same work on the same machine, in turns (`python -m
benchmarks.cost`). Seconds are processor time on all cores together, which other work on the machine disturbs least. Memory is the
resident peak of the command's largest process. Figures are medians over the turns; ratios are taken within each turn. The goal is
what the ratio was to be at most.

The Core ML evaluator runs one image at a time here, as PyTorch does beside it. What bounds it in int8 is the number of its passes over
memory. m0 takes 2,248 calls of PyTorch that write 44 MB, 3,279 and 61 before passes were joined. The model as it is takes 1,036 that
write 11. b0 takes 1,093 and 119 MB, 1,583 and 206 before, the model 271 and 31. Half of the time are the same convolutions. Between two
of them a result is rounded to fp16, divided by a scale, rounded and clipped to a code. The code is multiplied and rounded to fp16. Each
is a pass over it. The fused passes that PyTorch has round the quotient differently.
Tried: tables of what each of the 65,536 fp16 values becomes. They take 404 of m0's 904 steps away and no time, since they do not fit the
caches. A lookup takes 0.6 ns an element, a pass 0.1. NumPy's passes take longer than PyTorch's. Channels-last is 4 % faster for m0 and
moves fp16 files by their last bits, so it was left.

A photo of 12 megapixels takes 44 ms to decode, 34 to digest and 33 to resize, 57 s for all. The digest chooses the images and is over all
pixels. So a decoder that reduces the scale (32 ms, off by one at most) would come on top of the full one. Threads that
read ahead left 0.1 GB behind until it was given back.

l1 is bound by PyTorch's runs of it, which take over four fifths of its time. A run is 0.15 s, three quarters of that in convolutions near
the machine's peak. Its 256 calibration images run once, its 256 held-out images three times (reference, rewritten, quantized), and 320
runs more decide what stays float and correct it: about 1,300 of 5.3 GMACs each. None was given up, since the files are to be the same
bytes. The earlier build has as many; this one also asks whether fp16 can hold the model, which takes 8 images where the first ones show
that it cannot. Taken: rounded weights go when they have been used. A module that refers to itself waits for the garbage collector, and up
to five of 210 MB were waiting. Codes are clipped in place, which halves the time of rounding a tensor or more. Huge pages take the
reference to 0.7 of its time. Forms that are known are not made again. Of the peak, 0.9 GB are weights, reference and program. Another 0.9
are the results of one layer for the 64 images that biases are corrected with, as its input and output. Tried: channels-last and smaller
batches, no gain for l1. Running the 64 images in parts of fewer than 16 changes the last bits of l1's convolutions. Observing each result
as it comes takes 90 MB less and twice the time of m0's calibration. A sixth of the time is the system's, which clears pages that were
given back a moment before. Tried: memory that the C library keeps, with parts of 16 images. l1 takes 0.86 of the time and 0.93 of the
memory then, and writes the same file on one thread; for want of a comparison on two threads and of other models it was left. Tried: the
stage that reports the quantized logits in oneDNN's integers, 0.63 of its time. Where these decide what stays float, l1 becomes another
file. Packed weights would save a tenth of a run and move the logits by 2e-6.

`make test` took 26 min 54 s in two processes on the first of December, beside a conversion that took a fifth of the machine. 6,937 tests
ran, in 41 minutes of user time and 3 of the system's, so 22 are to be had on a quiet one. The earlier build took 41 on another day (goal:
half). `make test-fast` took 3 min 51 s for 6,572 tests, before what makes it cheaper was done on that day (goal: 3 minutes). What bounds
both are whole models: exports, lowering, and images through XNNPACK and the evaluator. The largest variant takes 100 s, int8 on a whole
test set 64.

| covered by the fast tests, lines and branches in % | at the earlier build | now |
| --- | --- | --- |
| all | 88.8, 84.9 | 92.1, 90.8 |
| `evit_mobile` | 90.1, 83.8 | 96.9, 95.1 |
| `calib` | 99.0, 96.0 | 98.7, 95.4 |
| `converters`, some formats of which are extras | 93.9, 91.9 | 90.1, 88.5 |
| `benchmarks` | 49.7, 31.8 | 56.1, 42.9 |

Load and first run is the runtime's own work, without its start: reading the file and packing the weights. It follows the size of the
weights, which in fp32 are those of the stock file.
"""

HEADINGS = ("what", "beside", "turns", "s", "their s", "ratio", "goal", "MB", "their MB", "ratio", "goal", "measured")


def read_costs(folder: Path) -> list[Cost]:
    """All results of `folder`, in the order of the table of tasks, what else was measured before them."""
    costs = [from_json(Cost, json.loads(path.read_text())) for path in sorted(folder.glob("*.json"))]
    order = {task.name: place for place, task in enumerate(TASKS)}
    return sorted(costs, key=lambda cost: order.get(cost.name, -1))


def cost_section(costs: Sequence[Cost]) -> str:
    """The section; nothing without results."""
    if not costs:
        return ""
    machines = list(dict.fromkeys(hardware_words(cost.machine) for cost in costs))
    conditions = "\n".join(f"- {words}" for words in machines)
    return "\n".join([INTRODUCTION, conditions, "", table(HEADINGS, [row(cost) for cost in costs]), ""])


def row(cost: Cost) -> tuple[str, ...]:
    return (
        cost.title,
        cost.peer if cost.theirs else "-",
        str(len(cost.ours)),
        seconds([one.cpu_s for one in cost.ours]),
        seconds([one.cpu_s for one in cost.theirs]),
        ratio(cost.time_ratio),
        goal(cost.time),
        megabytes(peaks(cost.ours)),
        megabytes(peaks(cost.theirs)),
        ratio(cost.memory_ratio),
        goal(cost.memory),
        f"{cost.date}, {cost.build}",
    )


def seconds(values: Sequence[float]) -> str:
    """The median, to two digits below a second."""
    if not values:
        return "-"
    middle = statistics.median(values)
    return f"{middle:.1f}" if middle >= 1 else f"{middle:.2g}"


def megabytes(values: Sequence[float]) -> str:
    return f"{statistics.median(values) / 1e6:.0f}" if values else "-"


def ratio(value: Spread | None) -> str:
    return number(value, 2)


def goal(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
