"""Runs a .tflite file for a parent process, on the machine's own kernels or, under qemu, on Arm's.

    python arm_worker.py MODEL.tflite      reads inputs of the file's own size and type from stdin, writes outputs likewise to stdout

Imports nothing of ours, numpy and ai-edge-litert only: it is run by the Python of the folder that scripts/arm/prepare.sh makes. What
takes which time there says nothing about phones.
"""

from __future__ import annotations

import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def serve(model: str, results: int) -> None:
    """Answers every input on stdin until it ends."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    size = int(np.prod(source["shape"])) * np.dtype(source["dtype"]).itemsize
    with os.fdopen(results, "wb") as answers:
        while content := sys.stdin.buffer.read(size):
            values = np.frombuffer(content, source["dtype"]).reshape(source["shape"])
            interpreter.set_tensor(source["index"], values)
            interpreter.invoke()
            answers.write(interpreter.get_tensor(result["index"]).tobytes())
            answers.flush()


if __name__ == "__main__":
    own = os.dup(1)  # LiteRT announces its delegate on stdout or stderr
    os.dup2(2, 1)
    serve(sys.argv[1], own)
