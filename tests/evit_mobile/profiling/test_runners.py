"""Programs that run an artefact on a device: what is started there, and how what they print is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evit_mobile.profiling.runners import find_runner

BENCHMARK_MODEL = """INFO: Running benchmark for at least 1 iterations and at least 0 seconds but terminate if exceeding 150 seconds.
INFO: count=1 curr=5123 p5=5123 median=5123 p95=5123
INFO: count=50 first=4402 curr=4280 min=4205 max=4911 avg=4311.2 std=98 p5=4210 median=4288 p95=4500
INFO: Inference timings in us: Init: 20345, First inference: 5123, Warmup (avg): 5123, Inference (avg): 4311.2
"""

EXECUTOR_RUNNER = (
    "I 00:00:00.040 executorch:executor_runner.cpp:301] Model executed successfully 50 time(s) in 212.500000 ms.\n"
)


def test_what_known_runners_print_is_read() -> None:
    """Lines in the form of their sources: tensorflow/lite/tools/benchmark, executorch/examples/portable/executor_runner."""
    benchmark, executor = find_runner(Path("/x/benchmark_model_arm64")), find_runner(Path("executor_runner"))
    assert benchmark.parse(BENCHMARK_MODEL) == {"load_ms": 20.345, "first_run_ms": 5.123, "latencies_ms": [4.288]}
    assert executor.parse(EXECUTOR_RUNNER)["latencies_ms"] == [4.25]
    assert "--num_threads=4" in benchmark.command("b", "m.tflite", 50, 4)
    for known in (benchmark, executor):
        with pytest.raises(ValueError, match="no line"):
            known.parse("Segmentation fault")


@pytest.mark.parametrize(
    ("runner", "command"),
    [
        (
            "benchmark_model",
            "r --graph=m --num_threads=2 --num_runs=9 --min_secs=0 --warmup_runs=1 --warmup_min_secs=0",
        ),
        ("my_executor_runner", "r --model_path=m --num_executions=9 --cpu_threads=2"),
        ("other", "r m 9 2"),
    ],
)
def test_what_is_started_on_the_device(runner: str, command: str) -> None:
    assert find_runner(Path(f"/tools/{runner}")).command("r", "m", 9, 2) == command


def test_a_benchmark_without_percentiles_tells_its_average() -> None:
    """Times are in us; a first inference that is not told is that of the average."""
    found = find_runner(Path("benchmark_model")).parse("Inference timings in us: Inference (avg): 1.5e+03\n")
    assert found == {"load_ms": None, "first_run_ms": 1.5, "latencies_ms": [1.5]}


def test_our_own_protocol_is_the_last_line() -> None:
    answer = {"load_ms": 4, "first_run_ms": 3, "latencies_ms": [2, 2.5], "threads": 1}
    runner = find_runner(Path("/tools/mine"))
    assert runner.name == "mine"
    assert runner.parse(f"warming up\n{json.dumps(answer)}\n\n") == {
        "load_ms": 4.0,
        "first_run_ms": 3.0,
        "latencies_ms": [2.0, 2.5],
    }


@pytest.mark.parametrize("latencies", [[], [1.0, 0.0], [-1.0]])
def test_latencies_that_are_none(latencies: list[float]) -> None:
    answer = {"load_ms": 1, "first_run_ms": 1, "latencies_ms": latencies}
    with pytest.raises(ValueError, match="not positive"):
        find_runner(Path("mine")).parse(json.dumps(answer))
