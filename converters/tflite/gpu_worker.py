"""Runs a .tflite file on LiteRT's GPU accelerator for a parent process, over the Vulkan driver that the environment names.

    python gpu_worker.py fp16|fp32 MODEL.tflite   reads inputs of the file's own size and type from stdin, writes outputs likewise to stdout

fp16 is the accelerator's default for files of any numbers, fp32 its `enforce_f32`. What it does not take runs on the CPU. Imports nothing
of ours. Ends with `os.EX_DATAERR`, the reason being the last line on stderr, for a file that the accelerator does not compile.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, GpuOptions, HardwareAccelerator, Options

POLL_S, QUIET_S, LONGEST_S = 0.25, 8.0, 900.0
IDLE = 0.005
"""Share of a processor that an idle process takes at most; one that computes gets more of the busiest machine."""


def compiled(model: str, floats: str) -> CompiledModel:
    """The file, compiled; ends the process where it is refused."""
    options = Options(
        HardwareAccelerator.GPU | HardwareAccelerator.CPU,
        gpu_options=GpuOptions(enforce_f32=floats == "fp32"),
        cpu_options=CpuOptions(num_threads=1),
    )
    try:
        return CompiledModel.from_file(model, options=options)
    except RuntimeError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(os.EX_DATAERR)


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


def serve(model: str, floats: str, results: int) -> None:
    """Answers every input on stdin until it ends."""
    program = compiled(model, floats)
    signature = next(iter(program.get_signature_list()))
    (source,) = program.get_input_tensor_details(signature).values()
    (result,) = program.get_output_tensor_details(signature).values()
    given, wanted = np.dtype(source["dtype"]), np.dtype(result["dtype"])
    shape, count = tuple(source["shape"]), int(np.prod(result["shape"]))
    inputs, outputs = program.create_input_buffers(0), program.create_output_buffers(0)
    first = True
    with os.fdopen(results, "wb") as answers:
        while content := sys.stdin.buffer.read(int(np.prod(shape)) * given.itemsize):
            inputs[0].write(np.frombuffer(content, given).reshape(shape))
            program.run_by_index(0, inputs, outputs)
            if first:
                settle()
                first = False
            answers.write(outputs[0].read(count, wanted.type).tobytes())
            answers.flush()


if __name__ == "__main__":
    own = os.dup(1)  # what is announced on stdout goes to stderr
    os.dup2(2, 1)
    serve(sys.argv[2], sys.argv[1], own)
