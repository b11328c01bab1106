"""Runs a .tflite file on LiteRT's GPU accelerator for a parent process, over the Vulkan driver that the environment names.

    python gpu_worker.py fp16|fp32 MODEL.tflite   reads inputs of the file's own size and type from stdin, writes outputs likewise to stdout

fp16 is the accelerator's default for files of any numbers, fp32 its `enforce_f32`. What it does not take runs on the CPU. Imports nothing
of ours. Ends with `os.EX_DATAERR`, the reason being the last line on stderr, for a file that the accelerator does not compile.
"""

from __future__ import annotations

import math
import os
import sys
import time

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, GpuOptions, HardwareAccelerator, Options

POLL_S, QUIET_S, LONGEST_S = 0.25, 8.0, 900.0
IDLE = 0.005
"""Share of a processor that an idle process takes at most; one that computes gets more of the busiest machine."""


class Session:
    """The file, compiled, with buffers for one image. Ends the process where it is refused."""

    def __init__(self, model: str, floats: str) -> None:
        options = Options(
            HardwareAccelerator.GPU | HardwareAccelerator.CPU,
            gpu_options=GpuOptions(enforce_f32=floats == "fp32"),
            cpu_options=CpuOptions(num_threads=1),
        )
        try:
            self._program = CompiledModel.from_file(model, options=options)
        except RuntimeError as error:
            print(" ".join(str(error).split()), file=sys.stderr)
            sys.exit(os.EX_DATAERR)
        signature = next(iter(self._program.get_signature_list()))
        (source,) = self._program.get_input_tensor_details(signature).values()
        (self._result,) = self._program.get_output_tensor_details(signature).values()
        self._given, self._shape = np.dtype(source["dtype"]), tuple(source["shape"])
        self._inputs, self._outputs = self._program.create_input_buffers(0), self._program.create_output_buffers(0)

    @property
    def image_bytes(self) -> int:
        return math.prod(int(side) for side in self._shape) * int(self._given.itemsize)

    def run(self, image: bytes) -> None:
        """Raises RuntimeError where the result is waited for and given up."""
        self._inputs[0].write(np.frombuffer(image, self._given).reshape(self._shape))
        self._program.run_by_index(0, self._inputs, self._outputs)

    def read(self) -> bytes:
        """What the run gave."""
        count = int(np.prod(self._result["shape"]))
        return bytes(self._outputs[0].read(count, np.dtype(self._result["dtype"]).type).tobytes())


def settle() -> None:
    """Waits until this process computes nothing any more. The driver compiles shaders at the first run, and a result that is asked for
    meanwhile is given up after two minutes of wall time (ai-edge-litert 2.3.0).
    """
    started, quiet, before = time.monotonic(), 0.0, time.process_time()
    while quiet < QUIET_S and time.monotonic() - started < LONGEST_S:
        time.sleep(POLL_S)
        now = time.process_time()
        quiet = quiet + POLL_S if now - before < IDLE * POLL_S else 0.0
        before = now


def warm(model: str, floats: str) -> Session:
    """The file, opened, its shaders compiled. Where integers are at both ends, `run` itself waits for the result, gives up, and leaves its
    buffers locked: the file is opened again, and the driver has kept the shaders.
    """
    session = Session(model, floats)
    try:
        session.run(bytes(session.image_bytes))
    except RuntimeError:
        settle()
        return Session(model, floats)
    settle()
    return session


def serve(model: str, floats: str, results: int) -> None:
    """Answers every input on stdin until it ends."""
    session = warm(model, floats)
    with os.fdopen(results, "wb") as answers:
        while image := sys.stdin.buffer.read(session.image_bytes):
            session.run(image)
            answers.write(session.read())
            answers.flush()


if __name__ == "__main__":
    own = os.dup(1)  # what is announced on stdout goes to stderr
    os.dup2(2, 1)
    serve(sys.argv[2], sys.argv[1], own)
