"""Models with constants, and files that keep these inside of the delegate, as they once were written."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from converters.contract import Precision
from converters.executorch.graph import Graph
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, Apply, export

containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")
lowering = Lazily("converters.executorch.lower")

IMAGE = (1, 4, 6, 6)


def operands(x: Tensor, small: Tensor, large: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Every operation that can have a constant beside an activation."""
    x = torch.cat([x * small, x + large], 1)[:, :4]
    x = torch.maximum(torch.minimum(x - small, large + 2), large - 2)
    x = (small.abs() + 1) / (x * x + 1) - x / (large.abs() + 1)
    x = torch.cat([x, large.unsqueeze(0)], 1)[:, 1:5]
    x = torch.matmul(left, torch.matmul(x, right))
    return 2 - torch.nn.functional.gelu(x, approximate="tanh")


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1),
        Apply(
            operands,
            small=torch.randn(4, 1, 1),
            large=torch.randn(4, 6, 6),
            left=torch.randn(1, 4, 6, 6),
            right=torch.randn(1, 4, 6, 6),
        ),
        nn.LayerNorm(6),
        nn.Conv2d(4, 4, 1),
    )


def images() -> Tensor:
    return torch.randn(IMAGE, generator=torch.Generator().manual_seed(1))


def old_form(precision: Precision = Precision.FP32) -> Graph:
    """A constant that is added, kept in the delegate."""
    program = export(nn.Sequential(nn.Conv2d(4, 4, 1), Apply(lambda x, c: x + c, c=torch.randn(4, 6, 6))), images())
    found = lowering.to_graph(program, precision)
    found.constants = []
    return found


def old_file() -> bytes:
    """What was written before: nothing checked it."""
    found = old_form()
    writer = delegates._Writer(found)
    blob = delegates.Blob(
        graph=delegates.serialize_xnnpack_binary(writer.document, bytearray()), constants=writer.constants
    )
    return containers.write_container(found, blob, METADATA)
