"""The programs that run an artefact on a device, and how to read what they print."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """`command(runner, artefact, runs, threads)` is a shell command; `parse` reads its output into load_ms, first_run_ms,
    latencies_ms, and raises ValueError for an output that holds no result. Times that a runner does not tell are None."""

    name: str
    command: Callable[[str, str, int, int], str]
    parse: Callable[[str], dict[str, Any]]


def benchmark_model(runner: str, artefact: str, runs: int, threads: int) -> str:
    return f"{runner} --graph={artefact} --num_threads={threads} --num_runs={runs} --min_secs=0 --warmup_runs=1 --warmup_min_secs=0"


def parse_benchmark_model(output: str) -> dict[str, Any]:
    """The summary line of tensorflow/lite/tools/benchmark: "Inference timings in us: Init: .., First inference: .., ..."."""
    numbers = {
        name: float(value) / 1e3
        for name, value in re.findall(r"(Init|First inference|Inference \(avg\)): ([\d.e+]+)", output)
    }
    medians = re.findall(r"count=\d+.*\bmedian=([\d.e+]+)", output)
    if "Inference (avg)" not in numbers:
        raise ValueError("no line `Inference timings in us`")
    latency_ms = float(medians[-1]) / 1e3 if medians else numbers["Inference (avg)"]
    return {
        "load_ms": numbers.get("Init"),
        "first_run_ms": numbers.get("First inference", latency_ms),
        "latencies_ms": [latency_ms],
    }


def executor_runner(runner: str, artefact: str, runs: int, threads: int) -> str:
    return f"{runner} --model_path={artefact} --num_executions={runs} --cpu_threads={threads}"


def parse_executor_runner(output: str) -> dict[str, Any]:
    """The line "Model executed successfully N time(s) in T ms." of executorch/examples/portable/executor_runner."""
    found = re.search(r"executed successfully (\d+) time\(s\) in ([\d.]+) ms", output)
    if found is None:
        raise ValueError("no line `Model executed successfully`")
    latency_ms = float(found[2]) / int(found[1])
    return {"load_ms": None, "first_run_ms": latency_ms, "latencies_ms": [latency_ms]}


def own(runner: str, artefact: str, runs: int, threads: int) -> str:
    return f"{runner} {artefact} {runs} {threads}"


def parse_own(output: str) -> dict[str, Any]:
    """The last line is {"load_ms", "first_run_ms", "latencies_ms": [...]}, other keys are ignored."""
    document = json.loads(output.strip().splitlines()[-1])
    latencies = [float(value) for value in document["latencies_ms"]]
    if not latencies or min(latencies) <= 0:
        raise ValueError("latencies that are not positive")
    return {
        "load_ms": float(document["load_ms"]),
        "first_run_ms": float(document["first_run_ms"]),
        "latencies_ms": latencies,
    }


RUNNERS = (
    Runner(name="benchmark_model", command=benchmark_model, parse=parse_benchmark_model),
    Runner(name="executor_runner", command=executor_runner, parse=parse_executor_runner),
)


def find_runner(path: Path) -> Runner:
    """The kind of runner, by its file name: one of the known ones, or one that speaks our protocol."""
    named = [runner for runner in RUNNERS if runner.name in path.name]
    return named[0] if named else Runner(name=path.name, command=own, parse=parse_own)
