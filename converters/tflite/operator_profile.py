"""Times every operator of a .tflite file with LiteRT's own profiler, XNNPACK's operators included.

Imports nothing of ours: evit_mobile/profiling/operator_worker.py loads it in a child process. LiteRT's Python classes do not offer the
profiler, its C interface does (litert/c/litert_profiler.h, litert_profiler_event.h). It counts whole microseconds and rounds
each operator down.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

CPU = 1
"""LiteRT's bit for the CPU accelerator."""

OPERATOR, DELEGATED_OPERATOR = 2, 8
"""Kinds of events: an operator that LiteRT ran itself, and one inside a delegate."""

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
    """A compiled model, with LiteRT's profiler if `profiled`. Never freed: the process ends after it."""

    def __init__(self, artefact: str, threads: int, *, profiled: bool, clock: ctypes.CDLL | None) -> None:  # noqa: ARG002  # the other runtime needs it
        import ai_edge_litert

        self._library = ctypes.CDLL(str(Path(ai_edge_litert.__file__).parent / "libLiteRt.so"))
        environment = self._new("LiteRtCreateEnvironment", 0, None)
        model = self._new("LiteRtCreateModelFromFile", environment, artefact.encode())
        self._model = self._new(
            "LiteRtCreateCompiledModel", environment, model, self._options(threads, profiled=profiled)
        )
        self._profiler = self._new("LiteRtCompiledModelGetProfiler", self._model) if profiled else None
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

    def _options(self, threads: int, *, profiled: bool) -> Handle:
        options = self._new("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        c_library = ctypes.CDLL(None)
        c_library.strdup.restype = Handle
        texts = {"xnnpack": f"num_threads = {threads}\n"}
        if profiled:
            texts["runtime_options_string"] = "enable_profiling = true\n"
        for identifier, text in texts.items():
            payload = c_library.strdup(text.encode())
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

    def run(self) -> None:
        """One inference."""
        one = ctypes.c_size_t(1)
        self._call("LiteRtRunCompiledModel", self._model, ctypes.c_size_t(0), one, self._inputs, one, self._outputs)

    def start(self) -> None:
        """What follows is profiled, until `operators` is called."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)

    def operators(self) -> list[tuple[str, bool, int]]:
        """Name, whether delegated, and time on the profiler's clock of each operator since `start`, in order."""
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        kinds = (OPERATOR, DELEGATED_OPERATOR)
        return [
            (event.tag.decode(), event.kind == DELEGATED_OPERATOR, event.elapsed_us)
            for event in events
            if event.kind in kinds
        ]
