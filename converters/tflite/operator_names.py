"""Which operator of a .tflite file each operator of a profile is.

XNNPACK keeps the file's order, but renames operators, leaves some out (a PAD becomes part of the convolution after it) and may
add some. So the two lists are aligned: the longest common subsequence, where names that can mean the same count as equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.tflite.inspect import module_path, operator_kinds
from converters.tflite.structure import read_model

MEANINGS = {
    "Add": {"ADD"},
    "Average Pooling": {"AVERAGE_POOL_2D"},
    "Batch Matrix Multiply": {"BATCH_MATMUL"},
    "Clamp": {"RELU", "RELU6", "MINIMUM", "MAXIMUM"},
    "Constant Pad": {"PAD", "PADV2"},
    "Convert": {"QUANTIZE", "DEQUANTIZE"},
    "Convolution": {"CONV_2D", "DEPTHWISE_CONV_2D"},
    "Copy": {"RESHAPE", "CONCATENATION"},
    "Divide": {"DIV"},
    "Fully Connected": {"FULLY_CONNECTED", "CONV_2D"},
    "Global Average Pooling": {"MEAN"},
    "HardSwish": {"HARD_SWISH"},
    "Maximum": {"MAXIMUM", "RELU"},
    "Mean": {"MEAN"},
    "Minimum": {"MINIMUM"},
    "Multiply": {"MUL"},
    "Reciprocal Square Root": {"RSQRT"},
    "Resize Bilinear": {"RESIZE_BILINEAR"},
    "Sigmoid": {"LOGISTIC"},
    "Slice": {"SLICE", "STRIDED_SLICE"},
    "Softmax": {"SOFTMAX"},
    "Static Reshape": {"RESHAPE"},
    "Subtract": {"SUB"},
    "Sum": {"SUM"},
    "Tanh": {"TANH"},
    "Transpose": {"TRANSPOSE"},
}
"""What an operator of XNNPACK, whose name begins so, can be in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An operator of the file: its number, its kind, and the path of the module that its result belongs to ("" if unknown)."""

    number: int
    kind: str
    module: str


def origins(path: Path, names: Sequence[str]) -> list[Origin | None]:
    """For each operator name of a profile, in order, the file's operator; None where there is none. Raises ArtefactError."""
    _, model = read_model(path)
    kinds = operator_kinds(model)
    matched = align(names, kinds)
    operators = model.subgraphs[0].operators
    return [
        None
        if number is None
        else Origin(number=number, kind=kinds[number], module=module_path(model.subgraphs[0], operators[number]))
        for number in matched
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
