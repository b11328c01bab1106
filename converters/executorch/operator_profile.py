"""Times every operator that XNNPACK runs for a .pte file.

Imports nothing of ours: evit_mobile/profiling/operator_worker.py loads it in a child process. executorch's Python package is built
without its event tracer, so its ETDump stays empty. XNNPACK's own profiler is in it, but nobody switches it on; fine_clock.c does.
What runs outside XNNPACK's delegates is not seen.
"""

from __future__ import annotations

import ctypes
from typing import Any

OPERATOR_COUNT, OPERATOR_NAMES, OPERATOR_TIMES = 0, 1, 2
"""xnn_profile_info of XNNPACK's xnnpack.h."""

BYTE = 0
"""PyTorch's number of uint8."""


class ProfiledModel:
    """A loaded method, in XNNPACK runtimes with a profiler if `profiled`. Raises RuntimeError without fine_clock.c."""

    def __init__(self, artefact: str, threads: int, *, profiled: bool, clock: ctypes.CDLL | None) -> None:
        if clock is None:
            raise RuntimeError(
                "executorch's package has no event tracer, and looking into XNNPACK needs Linux and a C compiler `cc`"
            )
        import torch
        from executorch.extension.pybindings import _portable_lib

        if clock.fine_clock_attach(_portable_lib.__file__.encode()):
            raise RuntimeError("this executorch package does not let its XNNPACK be seen")
        _portable_lib._unsafe_reset_threadpool(threads)
        self._clock, self._library = clock, ctypes.CDLL(_portable_lib.__file__)
        clock.fine_clock_profile(int(profiled))
        # The method does not keep its program alive.
        checked = {"program_verification": _portable_lib.Verification.InternalConsistency}
        self._program: Any = _portable_lib._load_program(artefact, enable_etdump=False, debug_buffer_size=0, **checked)
        self._method: Any = self._program.load_method("forward")
        meta, generator = self._method.method_meta(), torch.Generator().manual_seed(0)
        inputs = [meta.input_tensor_meta(index) for index in range(meta.num_inputs())]
        self._inputs = [
            torch.zeros(tuple(one.sizes()), dtype=torch.uint8)
            if one.dtype() == BYTE
            else torch.randn(tuple(one.sizes()), generator=generator)
            for one in inputs
        ]
        clock.fine_clock_runtime.restype = ctypes.c_void_p

    def run(self) -> None:
        """One inference."""
        self._method(self._inputs)

    def start(self) -> None:
        """What follows is profiled, until `operators` is called."""

    def operators(self) -> list[tuple[str, bool, int]]:
        """Name, whether delegated, and time on the profiler's clock of each operator of the last inference, in order."""
        found = []
        for position in range(self._clock.fine_clock_invoked()):
            runtime = ctypes.c_void_p(self._clock.fine_clock_runtime(position))
            count = int.from_bytes(self._ask(runtime, OPERATOR_COUNT), "little")
            names = self._ask(runtime, OPERATOR_NAMES).split(b"\0")[:count]
            times = memoryview(self._ask(runtime, OPERATOR_TIMES)).cast("Q")
            found += [(name.decode(), True, time) for name, time in zip(names, times, strict=True)]
        return found

    def _ask(self, runtime: ctypes.c_void_p, what: int) -> bytes:
        """What XNNPACK's profiler tells of a runtime: first how many bytes that is, then the bytes."""
        size = ctypes.c_size_t(0)
        ask = self._library.xnn_get_runtime_profiling_info
        ask(runtime, what, ctypes.c_size_t(0), None, ctypes.byref(size))
        buffer = (ctypes.c_char * size.value)()
        status = ask(runtime, what, size, buffer, ctypes.byref(size))
        if status:
            raise RuntimeError(f"xnn_get_runtime_profiling_info failed with status {status}")
        return bytes(buffer)
