"""What a node of the program stands for: an activation (a tensor of the runtime's graph under a layout) or a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch

from converters.lowering.layout import Layout, Shape

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """real = scale * (q - zero_point), q being an integer of `bits`; one scale per tensor or one per slice along `axis`."""

    scales: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0
    bits: int = 8

    @property
    def scale(self) -> float:
        """The one scale of a per-tensor quantization."""
        (scale,) = self.scales
        return scale


class StoredTensor(Protocol):
    """A tensor of a runtime's graph, shaped as it is stored; int8 with `quantization`, else float."""

    @property
    def shape(self) -> Shape: ...

    @property
    def quantization(self) -> Quantization | None: ...


T = TypeVar("T", bound=StoredTensor)


@dataclass(frozen=True, slots=True, eq=False)
class Value(Generic[T]):
    """An activation: a tensor of the runtime's graph, and the layout that gives it logical dimensions."""

    tensor: T
    layout: Layout

    @property
    def quantization(self) -> Quantization | None:
        return self.tensor.quantization


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A value known at conversion. `codes` and `quantization` are there when it comes from int8 storage."""

    value: torch.Tensor
    codes: torch.Tensor | None = None
    quantization: Quantization | None = None

    @property
    def shape(self) -> Shape:
        return tuple(self.value.shape)

    @property
    def array(self) -> Array:
        """As float32 NumPy array."""
        array: Array = self.value.to(torch.float32).contiguous().numpy()
        return array
