"""Which operator of a file each operator of an XNNPACK profile is.

XNNPACK keeps the file's order, but renames operators, leaves some out (a PAD becomes part of the convolution after it) and may
add some. So the two lists are aligned: the longest common subsequence, where names that can mean the same count as equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CONCATENATIONS = {"CONCATENATION", "Concatenate2", "Concatenate3", "Concatenate4", "Concatenate5"}
MEANINGS = {
    "Add": {"ADD", "Add"},
    "Average Pooling": {"AVERAGE_POOL_2D", "AvgPooling2d"},
    "Batch Matrix Multiply": {"BATCH_MATMUL", "BatchMatrixMultiply"},
    "Clamp": {"RELU", "RELU6", "MINIMUM", "MAXIMUM", "Clamp"},
    "Concatenate": CONCATENATIONS,
    "Constant Pad": {"PAD", "PADV2", "StaticConstantPad"},
    "Convert": {"QUANTIZE", "DEQUANTIZE", "Convert"},
    "Convolution": {"CONV_2D", "DEPTHWISE_CONV_2D", "Conv2d", "DepthwiseConv2d"},
    "Copy": {"RESHAPE", "StaticReshape"} | CONCATENATIONS,
    "Divide": {"DIV", "Div"},
    "Fully Connected": {"FULLY_CONNECTED", "CONV_2D", "FullyConnected", "Conv2d"},
    "Global Average Pooling": {"MEAN", "GlobalAvgPooling2d"},
    "HardSwish": {"HARD_SWISH", "Hardswish"},
    "Invalid Unary Op": {"HARD_SWISH", "LOGISTIC", "TANH", "RSQRT", "SQRT", "EXP", "LOG"},  # of int8 values, by table
    "Maximum": {"MAXIMUM", "RELU", "Maximum"},
    "Mean": {"MEAN", "GlobalAvgPooling2d"},
    "Minimum": {"MINIMUM", "Minimum"},
    "Multiply": {"MUL", "Multiply"},
    "Reciprocal Square Root": {"RSQRT", "ReciprocalSquareRoot"},
    "Resize Bilinear": {"RESIZE_BILINEAR", "StaticResizeBilinear2D"},
    "Sigmoid": {"LOGISTIC", "Sigmoid"},
    "Slice": {"SLICE", "STRIDED_SLICE", "StaticSlice"},
    "Softmax": {"SOFTMAX", "Softmax"},
    "Static Reshape": {"RESHAPE", "StaticReshape"},
    "Subtract": {"SUB", "Subtract"},
    "Sum": {"SUM"},
    "Tanh": {"TANH", "Tanh"},
    "Transpose": {"TRANSPOSE", "StaticTranspose"},
}
"""What an operator of XNNPACK, whose name begins so, can be in a .tflite (capitals) or in a .pte file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An operator of the file: its number, its kind, and the path of the module that its result belongs to ("" if unknown)."""

    number: int
    kind: str
    module: str


def origins(names: Sequence[str], kinds: Sequence[str], modules: Sequence[str]) -> list[Origin | None]:
    """For each operator name of a profile, in order, the file's operator; None where there is none. `kinds` and `modules` are those
    of the file's operators."""
    return [
        None if number is None else Origin(number=number, kind=kinds[number], module=modules[number])
        for number in align(names, kinds)
    ]


def align(names: Sequence[str], kinds: Sequence[str]) -> list[int | None]:
    """For each profile name the position of its kind, so that as many as possible match and the order is kept."""
    lengths = [[0] * (len(kinds) + 1) for _ in range(len(names) + 1)]
    equal = [[same(name, kind) for kind in kinds] for name in names]
    for i in range(len(names) - 1, -1, -1):
        for j in range(len(kinds) - 1, -1, -1):
            skipping = max(lengths[i + 1][j], lengths[i][j + 1])
            lengths[i][j] = 1 + lengths[i + 1][j + 1] if equal[i][j] else skipping
    matched: list[int | None] = []
    i = j = 0
    while i < len(names):
        if j < len(kinds) and equal[i][j]:
            matched.append(j)
            i, j = i + 1, j + 1
        elif j < len(kinds) and lengths[i][j + 1] >= lengths[i + 1][j]:
            j += 1
        else:
            matched.append(None)
            i += 1
    return matched


def same(name: str, kind: str) -> bool:
    """Whether an operator called `name` in a profile can be one of this kind."""
    return name == kind or any(name.startswith(prefix) and kind in kinds for prefix, kinds in MEANINGS.items())
