#!/usr/bin/env bash
# tflite-micro: DEQUANTIZE takes the first channel's scale for all channels of a per-channel tensor, without an error.
#
# Expected: channel c along quantized_dimension has scale[c] and zero_point[c]; real = scale * (code - zero_point). So says table
#   QuantizationParameters of the .tflite schema (https://github.com/tensorflow/tflite-micro,
#   tensorflow/compiler/mlir/lite/schema/schema.fbs) and https://ai.google.dev/edge/litert/models/quantization_spec, "Per-axis vs per-tensor".
#   Not every operation must have this form; for DEQUANTIZE it is version 5 (https://github.com/tensorflow/tensorflow,
#   tensorflow/lite/tools/versioning/op_version.cc). A runtime without it can refuse the file, as tflite-micro did for FULLY_CONNECTED
#   (https://github.com/tensorflow/tflite-micro/pull/2602).
# Seen, 30 November 2026, Linux x86-64, Python 3.11: ai-edge-litert 2.3.0 gives what is expected. tflite-micro 0.dev20261023182759 takes
#   scale[0] for all, whether scales are along the first axis or the last, and no call fails. With one scale per tensor both are right.
# Cause, by tflite-micro's sources of 20 August 2026 (90b983c): tensorflow/lite/micro/micro_allocator.cc puts the first scale into
#   TfLiteTensor::params, and tensorflow/lite/micro/kernels/dequantize_common.cc reads only that. Versions of operations are not looked at.
# Here: int8-weights files store their weights in this form, so they are not for tflite-micro (docs/runtimes.md).
#
#   findings/tflite-micro-per-channel-dequantize.sh [VERSION]     (another version of tflite-micro; PYTHON: the interpreter, or python3)
#
# Exit code: 0 while it is as described, 1 if it has changed, 2 if it could not be tried.
set -euo pipefail

tflite_micro=${1:-0.dev20261023182759}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "tflite-micro==$tflite_micro" ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6 || exit 2

cat >"$folder/try.py" <<'PYTHON'
import platform
import sys
from importlib.metadata import version

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tflite_micro.python.tflite_micro import runtime

CODES = np.array([[10, 20, 30], [40, 50, 60]], np.int8)
CASES = {  # name: scales, quantized_dimension
    "one scale": ([0.5], 0),
    "a scale per row": ([0.5, 0.125], 0),
    "a scale per column": ([0.5, 0.125, 2.0], 1),
}
ARENA_BYTES = 1 << 16


class AlignedBufferT(schema.BufferT):
    def Pack(self, builder):
        builder.Prep(16, len(self.data))  # the schema's force_align, which the Python builder leaves out
        return super().Pack(builder)


def tensor(name, element, buffer, quantization=None):
    made = schema.TensorT()
    made.name, made.type, made.buffer, made.quantization = name, element, buffer, quantization
    made.shape = list(CODES.shape)
    return made


def operator_code(builtin, kernel_version):
    made = schema.OperatorCodeT()
    made.builtinCode = made.deprecatedBuiltinCode = builtin
    made.version = kernel_version
    return made


def operator(opcode_index, inputs, output, kind, options):
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = opcode_index, inputs, [output]
    made.builtinOptionsType, made.builtinOptions = kind, options
    return made


def model(scales, axis):
    """A .tflite file of image + DEQUANTIZE(CODES)."""
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint, quantization.quantizedDimension = scales, [0] * len(scales), axis
    empty, codes = schema.BufferT(), AlignedBufferT()
    codes.data = np.frombuffer(CODES.tobytes(), np.uint8)

    graph = schema.SubGraphT()
    float32, int8 = schema.TensorType.FLOAT32, schema.TensorType.INT8
    graph.tensors = [
        tensor("image", float32, 0),
        tensor("codes", int8, 1, quantization),
        tensor("real", float32, 0),
        tensor("sum", float32, 0),
    ]
    graph.inputs, graph.outputs = [0], [3]
    options = schema.BuiltinOptions
    graph.operators = [
        operator(0, [1], 2, options.DequantizeOptions, schema.DequantizeOptionsT()),
        operator(1, [0, 2], 3, options.AddOptions, schema.AddOptionsT()),
    ]

    file = schema.ModelT()
    file.version = 3
    builtin = schema.BuiltinOperator
    file.operatorCodes = [operator_code(builtin.DEQUANTIZE, 5 if len(scales) > 1 else 2), operator_code(builtin.ADD, 1)]
    file.subgraphs, file.buffers = [graph], [empty, codes]
    builder = flatbuffers.Builder()
    builder.Finish(file.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run_litert(file, image):
    loaded = Interpreter(model_content=file)
    loaded.allocate_tensors()
    loaded.set_tensor(loaded.get_input_details()[0]["index"], image)
    loaded.invoke()
    return loaded.get_tensor(loaded.get_output_details()[0]["index"])


def run_tflite_micro(file, image):
    loaded = runtime.Interpreter.from_bytes(file, arena_size=ARENA_BYTES)
    loaded.set_input(image, 0)
    loaded.invoke()
    return loaded.get_output(0).copy()


print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
print(", ".join(f"{name} {version(name)}" for name in ("ai-edge-litert", "tflite-micro", "flatbuffers", "numpy")))
image = np.zeros(CODES.shape, np.float32)
as_described = True
for name, (scales, axis) in CASES.items():
    file = model(scales, axis)
    real = CODES * np.array(scales, np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
    by_the_first = CODES * np.float32(scales[0])
    try:
        litert, micro = run_litert(file, image), run_tflite_micro(file, image)
    except (RuntimeError, ValueError) as error:
        print(f"{name}: an error: {error}")
        as_described = False
        continue
    print(f"{name}: {scales}, quantized_dimension {axis}, codes {CODES.tolist()}")
    print(f"  expected      {real.tolist()}\n  LiteRT        {litert.tolist()}\n  tflite-micro  {micro.tolist()}")
    as_described &= np.array_equal(litert, real) and np.array_equal(micro, by_the_first)
print("as described: tflite-micro took the first scale for all" if as_described else "CHANGED: not as described")
sys.exit(not as_described)
PYTHON

"$folder/venv/bin/python" "$folder/try.py"
