"""Operators of profiles as a person calls them, whatever the runtime: LiteRT, XNNPACK and ExecuTorch each have names of their own."""

from __future__ import annotations

import re

TABLE_LOOKUP = "Invalid Unary Op"
"""What XNNPACK calls a function of int8 values that it looks up in a table of 256: its operator type has no name for it."""

WORDS = {
    "convolution": ("CONV_2D", "Conv2d", "Convolution"),
    "depthwise convolution": ("DEPTHWISE_CONV_2D", "DepthwiseConv2d"),
    "transposed convolution": ("TRANSPOSE_CONV", "DeConv2d", "Deconvolution"),
    "linear layer": ("FULLY_CONNECTED", "FullyConnected", "Fully Connected"),
    "matrix product": ("BATCH_MATMUL", "BatchMatrixMultiply", "Batch Matrix Multiply"),
    "addition": ("ADD", "Add"),
    "subtraction": ("SUB", "Subtract"),
    "multiplication": ("MUL", "Multiply"),
    "division": ("DIV", "Div", "Divide"),
    "square": ("SQUARE", "Square"),
    "square root": ("SQRT", "SquareRoot", "Square Root"),
    "reciprocal square root": ("RSQRT", "ReciprocalSquareRoot", "Reciprocal Square Root"),
    "logarithm": ("LOG", "Log"),
    "exponential": ("EXP", "Exp"),
    "ReLU": ("RELU",),
    "ReLU6": ("RELU6",),
    "clamp": ("Clamp",),
    "minimum": ("MINIMUM", "Minimum"),
    "maximum": ("MAXIMUM", "Maximum"),
    "hard swish": ("HARD_SWISH", "Hardswish", "HardSwish"),
    "sigmoid": ("LOGISTIC", "Sigmoid"),
    "tanh": ("TANH", "Tanh"),
    "GELU": ("GELU", "Gelu"),
    "softmax": ("SOFTMAX", "Softmax"),
    "mean": ("MEAN", "Mean", "GlobalAvgPooling2d", "Global Average Pooling"),
    "average pooling": ("AVERAGE_POOL_2D", "AvgPooling2d", "Average Pooling"),
    "sum": ("SUM", "Sum"),
    "largest value": ("REDUCE_MAX", "Reduce Max", "ReduceMax"),
    "conversion of numbers": ("QUANTIZE", "DEQUANTIZE", "CAST", "Convert"),
    "concatenation": ("CONCATENATION", "Concatenate"),
    "slice": ("SLICE", "STRIDED_SLICE", "StaticSlice", "Slice"),
    "split": ("SPLIT", "SPLIT_V", "EvenSplit2", "EvenSplit3", "EvenSplit4"),
    "transposition": ("TRANSPOSE", "StaticTranspose", "Transpose"),
    "reshape": ("RESHAPE", "StaticReshape", "Static Reshape"),
    "padding": ("PAD", "PADV2", "StaticConstantPad", "Constant Pad"),
    "resizing": ("RESIZE_BILINEAR", "StaticResizeBilinear2D", "Resize Bilinear"),
    "copy": ("Copy",),
    "table lookup": (TABLE_LOOKUP,),
}
"""By what a person says: names in a .tflite file (capitals), in a .pte file, and those that XNNPACK's profile begins with."""

_WORDS = {name: words for words, names in WORDS.items() for name in names}


def operator_words(operator: str, kind: str | None) -> str:
    """What an operator does; `operator` is its name in the profile, `kind` in the file, None where the file has none like it. A name that
    is not known stays as it is.
    """
    words = _known(operator if kind is None else kind)
    return f"{words}, by table" if kind is not None and operator.startswith(TABLE_LOOKUP) else words


def _known(name: str) -> str:
    """`name` in words, also with what stands behind it: "Fully Connected (NC, QS8, QC8W) GEMM", "Concatenate4"."""
    plain = re.sub(r"\s*\(.*", "", name)
    return _WORDS.get(plain) or _WORDS.get(plain.rstrip("0123456789")) or name
