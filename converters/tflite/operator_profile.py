"""Times every operator of a .tflite file with LiteRT's own profiler, XNNPACK's operators included.

    python operator_profile.py ARTEFACT THREADS RUNS

Stand-alone: imports nothing of ours, and prints one JSON object. LiteRT's Python classes do not offer the profiler, its C interface
does (litert/c/litert_profiler.h, litert_profiler_event.h). XNNPACK's profiler counts whole microseconds and rounds each
operator down, so up to 1 us per operator and run is missing from its times.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

CPU = 1
"""LiteRT's bit for the CPU accelerator."""

OPTIONS = {"runtime_options_string": b"enable_profiling = true\n", "xnnpack": b"num_threads = %d\n"}
OPERATOR, DELEGATED_OPERATOR = 2, 8
"""Kinds of events: an operator that LiteRT ran itself, and one inside a delegate."""

WARM_UP_RUNS = 10
TENSOR_TYPE_BYTES = 512
"""More than LiteRT's description of a tensor takes."""

Handle = ctypes.c_void_p


class Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_size_t), ("used", ctypes.c_size_t), ("private", ctypes.c_size_t))


class Event(ctypes.Structure):
    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory_before", Memory),
        ("memory_after", Memory),
        ("index", ctypes.c_uint64),
        ("subgraph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


class ProfiledModel:
    """A compiled model with its profiler. Never freed: the process ends after it."""

    def __init__(self, library: ctypes.CDLL, artefact: str, threads: int) -> None:
        self._library = library
        environment = self._new("LiteRtCreateEnvironment", 0, None)
        model = self._new("LiteRtCreateModelFromFile", environment, artefact.encode())
        self._model = self._new("LiteRtCreateCompiledModel", environment, model, self._options(threads))
        self._profiler = self._new("LiteRtCompiledModelGetProfiler", self._model)
        signature = self._new("LiteRtGetModelSignature", model, ctypes.c_size_t(0))
        self._inputs, self._outputs = (
            (Handle * 1)(self._buffer(environment, signature, kind)) for kind in ("Input", "Output")
        )

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with status {status}")

    def _new(self, name: str, *arguments: Any) -> Handle:
        handle = Handle()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle

    def _options(self, threads: int) -> Handle:
        options = self._new("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        c_library = ctypes.CDLL(None)
        c_library.strdup.restype = Handle
        for identifier, text in OPTIONS.items():
            payload = c_library.strdup(text % threads if b"%d" in text else text)
            release = ctypes.cast(c_library.free, Handle)
            opaque = self._new("LiteRtCreateOpaqueOptions", identifier.encode(), Handle(payload), release)
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        return options

    def _buffer(self, environment: Handle, signature: Handle, kind: str) -> Handle:
        """A buffer for the only input or output, as LiteRT wants it."""
        first = ctypes.c_size_t(0)
        tensor = self._new(f"LiteRtGetSignature{kind}TensorByIndex", signature, first)
        tensor_type = (ctypes.c_char * TENSOR_TYPE_BYTES)()
        self._call("LiteRtGetRankedTensorType", tensor, tensor_type)
        requirements = self._new(f"LiteRtGetCompiledModel{kind}BufferRequirements", self._model, first, first)
        return self._new("LiteRtCreateManagedTensorBufferFromRequirements", environment, tensor_type, requirements)

    def run(self) -> float:
        """One inference; how long it took, in us."""
        one, start = ctypes.c_size_t(1), time.perf_counter_ns()
        self._call("LiteRtRunCompiledModel", self._model, ctypes.c_size_t(0), one, self._inputs, one, self._outputs)
        return (time.perf_counter_ns() - start) / 1e3

    def profile(self) -> tuple[float, list[tuple[str, bool, int]]]:
        """One profiled inference: its time in us, and name, whether delegated and time in us of each operator in order."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        whole_us = self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        kinds = (OPERATOR, DELEGATED_OPERATOR)
        return whole_us, [
            (event.tag.decode(), event.kind == DELEGATED_OPERATOR, event.elapsed_us)
            for event in events
            if event.kind in kinds
        ]


def profile(artefact: str, threads: int, runs: int) -> dict[str, Any]:
    """Times of `runs` inferences: the whole of each, and every operator's in each, in us."""
    import ai_edge_litert

    library = ctypes.CDLL(str(Path(ai_edge_litert.__file__).parent / "libLiteRt.so"))
    model = ProfiledModel(library, artefact, threads)
    for _ in range(WARM_UP_RUNS):
        model.run()
    unprofiled_us = [model.run() for _ in range(runs)]
    profiles = [model.profile() for _ in range(runs)]
    names = [(name, delegated) for name, delegated, _ in profiles[0][1]]
    if any([(name, delegated) for name, delegated, _ in events] != names for _, events in profiles):
        raise RuntimeError("the profiler reported different operators from one run to the next")
    return {
        "unprofiled_us": unprofiled_us,
        "whole_us": [whole for whole, _ in profiles],
        "operators": [
            {"name": name, "delegated": delegated, "us": [events[position][2] for _, events in profiles]}
            for position, (name, delegated) in enumerate(names)
        ],
    }


def main(artefact: str, threads: str, runs: str) -> None:
    """Prints the profile on stdout, or an error; whatever native code prints goes to stderr."""
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        try:
            result = profile(artefact, int(threads), int(runs))
        except Exception as error:
            result = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
