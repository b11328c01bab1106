#!/usr/bin/env bash
# LiteRT's GPU accelerator: a grouped CONV_2D in int8 is computed wrongly, without an error.
#
# Expected: what the CPU gives, to about one code. A filter whose input channels are a fraction of the input's is a grouped convolution, version
#   6 of the operation (https://github.com/google-ai-edge/LiteRT, tflite/tools/versioning/op_version.cc); an accelerator that has none can
#   leave it to the CPU, as this one does with other operations, and says so in its log.
# Seen, 30 November 2026, Linux x86-64, Python 3.11, ai-edge-litert 2.3.0, Mesa 25.0.7 (lavapipe): with 4 groups, outputs of all but the first
#   have nothing to do with the CPU's; `is_fully_accelerated()` is True and no call fails. With 1 group, and with the same 4 groups as one
#   dense convolution whose weights between groups are 0, outputs are one code apart at most. LiteRT.js 2.5.3 on WebGPU does the same (not tried by this script).
# Here: files have dense weights in place of groups (docs/gpu.md).
#
#   findings/litert-gpu-grouped-int8-convolution.sh [FOLDER]     (the Vulkan driver that scripts/gpu/prepare.sh made there, or the system's)
#
# Exit code: 0 while it is as described, 1 if it has changed, 2 if it could not be tried.
set -euo pipefail

driver=${1:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"${PYTHON:-python3}" -m venv "$folder/venv" || exit 2
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    ai-edge-litert==2.3.0 flatbuffers==25.12.19 numpy==2.4.6 || exit 2
if [ -n "$driver" ]; then
    export LD_LIBRARY_PATH=$driver/root/usr/lib/x86_64-linux-gnu
    export VK_DRIVER_FILES=$driver/root/usr/share/vulkan/icd.d/lvp_icd.json VK_ICD_FILENAMES=$driver/root/usr/share/vulkan/icd.d/lvp_icd.json
fi

cat >"$folder/try.py" <<'PYTHON'
import platform
import sys
import time
from importlib.metadata import version

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, GpuOptions, HardwareAccelerator, Options

CHANNELS, SIDE, GROUPS = 16, 4, 4
INPUT_SCALE, OUTPUT_SCALE, WEIGHT_SCALE = 0.03, 0.25, 0.01
SHAPE = [1, SIDE, SIDE, CHANNELS]


def adders(model, graph):
    """Functions that add a tensor and an operator."""

    def tensor(name, shape, element, data=None, scale=None):
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, element, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        if scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(builtin, number, inputs, output, kind=0, options=None):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = number
        model.operatorCodes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, inputs, [output]
        made.builtinOptionsType, made.builtinOptions = kind, options
        graph.operators.append(made)

    return tensor, operator


def file_of(weight):
    """A .tflite file: QUANTIZE, a 1x1 CONV_2D with `weight` (O, 1, 1, I), DEQUANTIZE."""
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.operatorCodes, model.subgraphs = 3, [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []
    tensor, operator = adders(model, graph)
    kinds, builtin = schema.TensorType, schema.BuiltinOperator
    image = tensor("image", SHAPE, kinds.FLOAT32)
    codes = tensor("codes", SHAPE, kinds.INT8, scale=INPUT_SCALE)
    filters = tensor("weight", list(weight.shape), kinds.INT8, weight, WEIGHT_SCALE)
    bias = tensor("bias", [CHANNELS], kinds.INT32, np.zeros(CHANNELS, np.int32), INPUT_SCALE * WEIGHT_SCALE)
    result = tensor("result", SHAPE, kinds.INT8, scale=OUTPUT_SCALE)
    real = tensor("real", SHAPE, kinds.FLOAT32)
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    operator(builtin.QUANTIZE, 1, [image], codes)
    operator(builtin.CONV_2D, 6, [codes, filters, bias], result, schema.BuiltinOptions.Conv2DOptions, options)
    operator(builtin.DEQUANTIZE, 2, [result], real)
    graph.inputs, graph.outputs = [image], [real]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    ends = []
    for name, index in (("image", image), ("real", real)):
        end = schema.TensorMapT()
        end.name, end.tensorIndex = name, index
        ends.append([end])
    signature.inputs, signature.outputs = ends
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(file, image, options):
    loaded = CompiledModel.from_buffer(file, options=options)
    assert loaded.is_fully_accelerated()
    inputs, outputs = loaded.create_input_buffers(0), loaded.create_output_buffers(0)
    inputs[0].write(image)
    loaded.run_by_index(0, inputs, outputs)
    time.sleep(5)  # a software driver compiles shaders now
    return outputs[0].read(image.size, np.float32).copy()


random = np.random.default_rng(0)
grouped = random.integers(-127, 128, (CHANNELS, 1, 1, CHANNELS // GROUPS)).astype(np.int8)
each = CHANNELS // GROUPS
block_diagonal = np.zeros((CHANNELS, 1, 1, CHANNELS), np.int8)
for group in range(GROUPS):
    block_diagonal[group * each : (group + 1) * each, ..., group * each : (group + 1) * each] = grouped[
        group * each : (group + 1) * each
    ]
cases = {  # name: weight, whether the accelerator is right
    "1 group": (random.integers(-127, 128, (CHANNELS, 1, 1, CHANNELS)).astype(np.int8), True),
    f"{GROUPS} groups": (grouped, False),
    f"{GROUPS} groups, dense with zeros": (block_diagonal, True),
}
image = random.normal(0, 1, SHAPE).astype(np.float32)
print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
print(", ".join(f"{name} {version(name)}" for name in ("ai-edge-litert", "flatbuffers", "numpy")))
cpu = Options(HardwareAccelerator.CPU, cpu_options=CpuOptions(num_threads=1))
gpu = Options(HardwareAccelerator.GPU, gpu_options=GpuOptions(enforce_f32=True))
as_described = True
for name, (weight, right) in cases.items():
    file = file_of(weight)
    try:
        expected, seen = run(file, image, cpu), run(file, image, gpu)
    except RuntimeError as error:
        print(f"could not be tried: {error}")
        sys.exit(2)
    steps = np.abs(seen - expected).max() / OUTPUT_SCALE
    print(f"{name}: expected ... {expected[-4:].tolist()}, seen ... {seen[-4:].tolist()}, {steps:.0f} codes apart at most")
    as_described &= (steps <= 2) == right
print("as described: groups are computed wrongly, dense weights rightly" if as_described else "CHANGED: not as described")
sys.exit(not as_described)
PYTHON

"$folder/venv/bin/python" "$folder/try.py" 2>"$folder/log" || { code=$?; [ "$code" = 1 ] || tail -5 "$folder/log"; exit "$code"; }
grep -o "Selected adapter: [^,]*" "$folder/log" || true
