"""Files that others wrote: read and reported honestly, and not trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from converters.errors import ArtefactError
from converters.executorch.quiet import quiet_toolchain
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.small_model import IMAGE
from tests.lowering_helpers import Apply, export, relative_error

TARGET = ExecuTorchTarget()


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    """A program lowered by executorch's own route, with an operation that XNNPACK does not take."""
    with quiet_toolchain():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        model = nn.Sequential(nn.Conv2d(3, 4, 1), Apply(lambda x: torch.cumsum(x, 1)), nn.Conv2d(4, 2, 1)).eval()
        program = export(model, torch.randn(IMAGE))
        file = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer
    path = tmp_path_factory.mktemp("stock") / "stock.pte"
    path.write_bytes(file)
    return model, path


def test_operations_outside_the_delegate_are_named(stock: tuple[nn.Module, Path]) -> None:
    inspection = TARGET.inspect(stock[1])
    delegation = inspection.delegation
    assert delegation is not None
    assert delegation.partitions == 2
    assert [(fallback.op, fallback.count) for fallback in delegation.fallback] == [("aten::cumsum.out", 1)]
    assert delegation.total_ops == delegation.delegated_ops + 1
    assert inspection.operations["aten::cumsum.out"] == 1


@pytest.mark.slow
def test_files_of_other_writers_run(stock: tuple[nn.Module, Path]) -> None:
    model, path = stock
    x = torch.randn(IMAGE)
    assert relative_error(TARGET.load(path)(x.numpy()), model(x)) < 1e-5


def test_damage_that_kills_the_runtime_is_refused_for_files_of_other_writers(
    stock: tuple[nn.Module, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a digest only a trial in another process can tell: here one that is killed, and one that does not end."""
    monkeypatch.setattr("converters.executorch.runtime.TRIAL", "import os; os.abort()")
    with pytest.raises(ArtefactError, match="signal 6"):
        TARGET.load(stock[1])
    monkeypatch.setattr("converters.executorch.runtime.TRIAL", "while True: pass")
    monkeypatch.setattr("converters.executorch.runtime.TRIAL_TIMEOUT_S", 0.5)
    with pytest.raises(ArtefactError, match="does not end"):
        TARGET.load(stock[1])
