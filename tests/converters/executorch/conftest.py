"""Files that several tests read: one of ours with every kind of thing in it, and one of another writer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.converters.executorch.executorch_helpers import content
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lowering_helpers import Apply, export


@pytest.fixture(scope="session")
def small() -> bytes:
    torch.manual_seed(0)
    return content(export(Small(), torch.randn(IMAGE)))


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """A program lowered by executorch's own route, with an operation that XNNPACK does not take."""
    from converters.executorch.quiet import quiet_toolchain

    with quiet_toolchain():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        model = nn.Sequential(nn.Conv2d(3, 4, 1), Apply(lambda x: torch.cumsum(x, 1)), nn.Conv2d(4, 2, 1)).eval()
        program = export(model, torch.randn(IMAGE))
        file = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer
    path = tmp_path_factory.mktemp("stock") / "stock.pte"
    path.write_bytes(file)
    return model, path
