"""What the forms that GPUs take cost on a CPU: files of one checkout against those of an earlier one, in turns.

    python scripts/gpu/cpu_price.py BEFORE AFTER [--rounds 60] [--note WORDS]     folders with .tflite files of the same names

Prints a line per file and adds it to benchmarks/results/gpu/cpu_price.json, unless both files' bytes are there already. Processor time
of one thread; each round times a block of runs of both files, in an order that changes with the round, so that a machine's other work
meets both.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.machine import this_machine
from converters.files import atomic_path, sha256

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "gpu" / "cpu_price.json"
BLOCK_S = 0.03
"""Processor time of a block, about: long against the clock, short against what else the machine does."""


def opened(path: Path) -> Interpreter:
    """The file with XNNPACK on one thread, its input set."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    values = np.random.default_rng(0).normal(size=source["shape"])
    interpreter.set_tensor(source["index"], np.clip(np.rint(values * 40), -128, 127).astype(source["dtype"]))
    interpreter.invoke()
    return interpreter


def block_ms(interpreter: Interpreter, runs: int) -> float:
    """Processor time of a run, in ms, in a block of `runs` behind one that warms up."""
    interpreter.invoke()
    started = time.process_time()
    for _ in range(runs):
        interpreter.invoke()
    return (time.process_time() - started) / runs * 1e3


def partitions(interpreter: Interpreter) -> int:
    return sum(one["op_name"] == "DELEGATE" for one in interpreter._get_ops_details())


def compare(before: Path, after: Path, rounds: int) -> dict[str, Any]:
    """Medians in ms, and the median of the rounds' ratios with its 95 % interval by resampling."""
    pair = opened(before), opened(after)
    runs = max(1, round(BLOCK_S * 1e3 / block_ms(pair[0], 3)))
    times = np.zeros((rounds, 2))
    for number in range(rounds):
        for place in (0, 1) if number % 2 else (1, 0):
            times[number, place] = block_ms(pair[place], runs)
    ratios = times[:, 1] / times[:, 0]
    drawn = np.random.default_rng(0).choice(ratios, (2000, rounds))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return {
        "file": after.name,
        "sha256": [sha256(before), sha256(after)],
        "partitions": [partitions(one) for one in pair],
        "ms": [round(float(value), 4) for value in np.median(times, axis=0)],
        "ratio": round(float(np.median(ratios)), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
        "rounds": rounds,
        "runs": runs,
    }


def about(note: str) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "note": note,
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": asdict(this_machine()),
        "ai-edge-litert": version("ai-edge-litert"),
    }


def write(content: dict[str, Any]) -> None:
    with atomic_path(RESULTS) as path:
        path.write_text(json.dumps(content, indent=1) + "\n")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--note", default="", help="what the two folders are of")
    given = parser.parse_args()
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"files": []}
    done = {tuple(one["sha256"]) for one in content["files"]}
    for after in sorted(given.after.glob("*.tflite")):
        before = given.before / after.name
        if before.exists() and (sha256(before), sha256(after)) not in done:
            content["files"].append(compare(before, after, given.rounds))
            print(content["files"][-1], flush=True)
            write({**content, **about(given.note)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
