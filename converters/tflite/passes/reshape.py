"""The RESHAPE that passes write."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from converters.lowering.layout import Shape
from converters.tflite.graph import DataType, Operation, Tensor


def reshape(tensor: Tensor, shape: Shape, *, name: str, output: Tensor | None = None) -> Operation:
    """`tensor` in another shape, as a tensor called `name`, or as `output` where that is there already."""
    indices = np.array(shape, np.int32)
    stated = Tensor(name=f"{name}/shape", shape=indices.shape, dtype=DataType.INT32, data=indices)
    result = replace(tensor, name=name, shape=shape, data=None) if output is None else output
    return Operation(code="RESHAPE", inputs=(tensor, stated), output=result, options={"newShape": list(shape)})
