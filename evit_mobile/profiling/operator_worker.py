"""Times the operators of one artefact. Stand-alone, started as a child process:

    python operator_worker.py OPERATOR_PROFILE.py ARTEFACT THREADS RUNS

OPERATOR_PROFILE.py is the `operator_profile.py` of a runtime. Prints one JSON object. The file is opened twice, with the runtime's
profiler and without; blocks of runs of both take turns, so that what profiling costs is known too.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
import time
from typing import Any

CLOCK_VARIABLE = "EVIT_MOBILE_FINE_CLOCK"
BLOCK_RUNS = 10
NS_PER_US = 1000


def profile(module: Any, artefact: str, threads: int, runs: int) -> dict[str, Any]:
    """Times of `runs` inferences of each kind: the whole of each, and every operator's in each profiled one, in us."""
    clock = fine_clock()
    plain = module.ProfiledModel(artefact, threads, profiled=False, clock=clock)
    profiled = module.ProfiledModel(artefact, threads, profiled=True, clock=clock)
    unprofiled_us: list[float] = []
    whole_us: list[float] = []
    events: list[list[tuple[str, bool, int]]] = []
    for number in range(-(-runs // BLOCK_RUNS) + 1):
        whole, seen = (
            [timed_us(plain.run) for _ in range(BLOCK_RUNS)],
            [one_profile(profiled, clock) for _ in range(BLOCK_RUNS)],
        )
        if number:  # the first block warms up
            unprofiled_us += whole
            whole_us += [whole for whole, _ in seen]
            events += [operators for _, operators in seen]
    names = [(name, delegated) for name, delegated, _ in events[0]]
    if any([(name, delegated) for name, delegated, _ in operators] != names for operators in events):
        raise RuntimeError("the profiler reported different operators from one run to the next")
    unit = 1 if clock is None else NS_PER_US
    return {
        "unprofiled_us": unprofiled_us,
        "whole_us": whole_us,
        "resolution_us": 1 / unit,
        "operators": [
            {"name": name, "delegated": delegated, "us": [operators[position][2] / unit for operators in events]}
            for position, (name, delegated) in enumerate(names)
        ],
    }


def fine_clock() -> ctypes.CDLL | None:
    """The library of fine_clock.c, if this process was started with it and the system let it in."""
    path = os.environ.get(CLOCK_VARIABLE)
    if not path:
        return None
    library = ctypes.CDLL(path)
    before = time.monotonic_ns()
    library.fine_clock_set(1)
    fine = time.monotonic_ns()
    library.fine_clock_set(0)
    return library if fine >= before * NS_PER_US else None


def one_profile(model: Any, clock: ctypes.CDLL | None) -> tuple[float, list[tuple[str, bool, int]]]:
    """The time in us of one profiled inference, and the operators in it. One that is not measured goes before it: reading the last
    one's operators filled the caches with other things."""
    model.run()
    model.start()
    start = time.perf_counter_ns()
    if clock:
        clock.fine_clock_set(1)
    try:
        model.run()
    finally:
        if clock:
            clock.fine_clock_set(0)
    whole_us = (time.perf_counter_ns() - start) / NS_PER_US
    return whole_us, model.operators()


def timed_us(function: Any) -> float:
    """How long one call takes."""
    start = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - start) / NS_PER_US


def main(operator_profile: str, artefact: str, threads: str, runs: str) -> None:
    """Prints the profile on stdout, or an error; whatever native code prints goes to stderr."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        try:
            spec = importlib.util.spec_from_file_location("operator_profile", operator_profile)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            result = profile(module, artefact, int(threads), int(runs))
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
