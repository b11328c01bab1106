"""Versions of operations, and the oldest runtimes that have them.

An operation's version says which of its forms a file uses; a runtime that does not know it refuses the file. Written is the lowest that
has the form, by tensorflow/lite/tools/versioning/op_version.cc.
"""

from __future__ import annotations

from collections.abc import Iterable

from converters.tflite.graph import DataType, Operation, Tensor

INT8_VERSIONS = {
    "ADD": 2,
    "BATCH_MATMUL": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "DEQUANTIZE": 2,
    "EXP": 2,
    "FULLY_CONNECTED": 4,
    "GELU": 2,
    "LOG": 2,
    "LOGISTIC": 2,
    "MAXIMUM": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "REDUCE_MAX": 2,
    "RELU": 2,
    "RSQRT": 2,
    "SLICE": 2,
    "SOFTMAX": 2,
    "SUB": 2,
    "SUM": 2,
    "TRANSPOSE": 2,
}
"""Versions where the first input is int8, by op_version.cc; the others are 1."""

RANK_VERSIONS = {"PAD": {5: 4, 6: 4}, "SLICE": {5: 5, 6: 5}, "TRANSPOSE": {5: 4, 6: 6}}
"""Versions by rank of the first input, same source."""


def version(operation: Operation) -> int:
    """The lowest version of the operation's kernel that can run it, so that older runtimes refuse rather than err."""
    first = operation.inputs[0]
    assert first is not None
    versions = [1, RANK_VERSIONS.get(operation.code, {}).get(len(first.shape), 1)]
    if first.dtype is DataType.INT8:
        versions.append(INT8_VERSIONS.get(operation.code, 1))
    match operation.code:
        case "DEQUANTIZE" if first.dtype is DataType.FLOAT16:
            versions.append(3)
        case "DEQUANTIZE" if first.quantization is not None and len(first.quantization.scales) > 1:
            versions.append(5)  # per channel
        case "CONV_2D" if first.shape[3] != _input(operation, 1).shape[3]:
            versions.append(6)  # grouped
        case "DEPTHWISE_CONV_2D" if max(operation.options[f"dilation{axis}Factor"] for axis in "HW") > 1:
            versions.append(2)
        case "FULLY_CONNECTED" if operation.options["keepNumDims"]:
            versions.append(5)
        case "MUL" if first.dtype is DataType.INT8 and _product_scale(operation) >= 1:
            versions.append(3)
    return max(versions)


def _input(operation: Operation, index: int) -> Tensor:
    tensor = operation.inputs[index]
    assert tensor is not None
    return tensor


def _product_scale(operation: Operation) -> float:
    tensors = _input(operation, 0), _input(operation, 1), operation.output
    first, second, output = (tensor.quantization.scale for tensor in tensors if tensor.quantization)
    return first * second / output


RELEASES = {
    "ABS": {1: "1.13.0"},
    "ADD": {1: "1.5.0", 2: "1.14.0"},
    "BATCH_MATMUL": {1: "2.3.0", 2: "2.3.0"},
    "CONCATENATION": {1: "1.5.0", 2: "1.14.0"},
    "CONV_2D": {1: "1.5.0", 3: "1.14.0", 6: "2.9.0"},
    "DEPTHWISE_CONV_2D": {1: "1.5.0", 2: "1.12.0", 3: "1.14.0"},
    "DEQUANTIZE": {1: "1.13.1", 2: "1.14.0", 3: "1.15.0", 5: "2.7.0"},
    "DIV": {1: "1.6.0"},
    "EXP": {1: "1.7.0", 2: "2.12.0"},
    "FULLY_CONNECTED": {1: "1.5.0", 4: "1.14.0", 5: "2.0.0"},
    "GELU": {1: "2.9.0", 2: "2.9.0"},
    "HARD_SWISH": {1: "1.15.0"},
    "LOG": {1: "1.14.0", 2: "2.15.0"},
    "LOGISTIC": {1: "1.14.0", 2: "1.14.0"},
    "MAXIMUM": {1: "1.14.0", 2: "1.14.0"},
    "MEAN": {1: "1.6.0", 2: "1.14.0"},
    "MINIMUM": {1: "1.14.0"},
    "MUL": {1: "1.5.0", 2: "1.14.0", 3: "1.15.0"},
    "NEG": {1: "1.9.0"},
    "PAD": {1: "1.5.0", 2: "1.14.0", 4: "2.6.0"},
    "QUANTIZE": {1: "1.14.0"},
    "REDUCE_MAX": {1: "1.11.0", 2: "1.14.0"},
    "RELU": {1: "1.5.0", 2: "2.1.0"},
    "RELU6": {1: "1.5.0"},
    "RESHAPE": {1: "1.5.0"},
    "RSQRT": {1: "1.10.0", 2: "2.5.0"},
    "SLICE": {1: "1.14.0", 2: "1.14.0", 5: "2.5.0"},
    "SOFTMAX": {1: "1.5.0", 2: "1.14.0"},
    "SQRT": {1: "1.10.0"},
    "SQUARE": {1: "1.12.0"},
    "SUB": {1: "1.6.0", 2: "1.14.0"},
    "SUM": {1: "1.10.0", 2: "1.15.0"},
    "TANH": {1: "1.14.0"},
    "TRANSPOSE": {1: "1.6.0", 2: "1.14.0", 4: "2.3.0", 6: "2.12.0"},
}
"""The TensorFlow Lite that first had each version written here, by google-ai-edge/LiteRT, tflite/tools/versioning/runtime_version.cc at
05215c291e48a7c2fe164566cedd678b80e9eb8c.
"""

TRIED = {"ai-edge-litert": "1.4.0", "tflite-runtime": "2.14.0"}
"""The oldest builds that `make test-runtimes` runs (docs/runtimes.md). LiteRT 1.0 followed TensorFlow Lite 2.17 and has all of RELEASES."""


def oldest_release(codes: Iterable[tuple[str, int]]) -> str:
    """The TensorFlow Lite that first had all of these operations in these versions."""
    return max((RELEASES[code][number] for code, number in codes), key=numbers)


def oldest_runtime(release: str | None) -> str | None:
    """The oldest builds, of those that were tried, that run a file for which TensorFlow Lite `release` is the oldest; None for None."""
    if release is None:
        return None
    names = [name for name, tried in TRIED.items() if name != "tflite-runtime" or numbers(release) <= numbers(tried)]
    return " / ".join(f"{name} {TRIED[name]}" for name in names)


def numbers(release: str) -> tuple[int, ...]:
    """Major, minor and patch number."""
    return tuple(int(part) for part in release.split("."))
