"""The written file: one delegate, the same bytes twice, damage found, weights in effect, inspection honest about other writers."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.contract import Layout, Metadata, Precision, TensorSpec
from converters.errors import ArtefactError
from converters.executorch.quiet import quiet_toolchain
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.executorch_helpers import content, run, write
from tests.lazily import Lazily
from tests.lowering_helpers import Apply, export, quantize, relative_error

containers = Lazily("converters.executorch.container")
lowering = Lazily("converters.executorch.lower")
runtimes = Lazily("converters.executorch.runtime")

IMAGE = (1, 3, 8, 8)
TARGET = ExecuTorchTarget()


class Small(nn.Module):
    """Enough of a network to have weights, a constant and several operations."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.mix = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return self.head((x + self.mix(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def small() -> bytes:
    torch.manual_seed(0)
    return content(export(Small(), torch.randn(IMAGE)))


def constant_range(file: bytes) -> tuple[int, int]:
    """Where the largest constant lies."""
    return max(containers.open_container(file).constant_ranges.values(), key=lambda span: span[1] - span[0])


def test_the_file_has_one_delegate_and_nothing_else(small: bytes, tmp_path: Path) -> None:
    inspection = TARGET.inspect(write(tmp_path, small))
    delegation = inspection.delegation
    assert delegation is not None
    assert (delegation.delegate, delegation.partitions, delegation.fallback) == ("XNNPACK", 1, ())
    assert delegation.delegated_ops == delegation.total_ops == sum(inspection.operations.values()) == 8
    assert inspection.operations["Conv2d"] == 1
    assert inspection.inputs == (TensorSpec(name="input_0", shape=IMAGE, dtype="float32", layout=Layout.NCHW),)
    assert inspection.outputs == (TensorSpec(name="output_0", shape=(1, 5), dtype="float32"),)
    assert inspection.bytes == len(small)
    assert set(inspection.dtypes) == {"float32"}
    assert inspection.notes == ()


def test_int8_files_say_what_is_int8(tmp_path: Path) -> None:
    x = torch.randn(IMAGE)
    file = content(quantize(export(Small(), x), x), Precision.INT8)
    inspection = TARGET.inspect(write(tmp_path, file))
    assert {"int8", "int32", "float32"} == set(inspection.dtypes)
    (note,) = inspection.notes
    assert note.startswith("operations that write int8: 9/11 (")
    assert "FullyConnected 1/1" in note


def test_the_same_program_gives_the_same_bytes() -> None:
    torch.manual_seed(0)
    model, x = Small(), torch.randn(IMAGE)
    for precision in (Precision.FP32, Precision.FP16):
        assert content(export(model, x), precision) == content(export(model, x), precision)
    quantized = (content(quantize(export(model, x), x), Precision.INT8) for _ in range(2))
    assert next(quantized) == next(quantized)


def test_the_file_carries_its_metadata() -> None:
    metadata = Metadata(description="what it is", labels=("cat", "dög"), extra={"key": "value"})
    file = lowering.to_bytes(export(Small(), torch.randn(IMAGE)), Precision.FP32, metadata)
    program = runtimes.load_program(file)
    (text,) = runtimes.load_method(program, containers.METADATA_METHOD).execute([])
    assert '"description": "what it is"' in text
    assert '"labels": ["cat", "d\\u00f6g"]' in text


def test_the_runner_takes_any_number_of_images() -> None:
    torch.manual_seed(0)
    model = Small()
    file = content(export(model, torch.randn(2, *IMAGE[1:])))
    images = torch.randn(5, *IMAGE[1:])
    assert relative_error(run(file, images), model(images)) < 1e-5


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3, 8, 9), (0, 3, 8, 8), (1, 8, 8, 3)])
def test_the_runner_refuses_other_shapes(small: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        run(small, torch.zeros(shape))


def test_flipped_weights_change_the_output(small: bytes) -> None:
    x = torch.randn(IMAGE)
    start, end = constant_range(small)
    flipped = bytearray(small)
    for position in range(start + 3, end, 4):  # the exponents of the float weights
        flipped[position] ^= 0x40
    assert not np.allclose(run(bytes(flipped), x), run(small, x))


@pytest.mark.parametrize("cut", [0, 7, 40, 200, 2000, -1])
def test_a_truncated_file_is_refused(small: bytes, tmp_path: Path, cut: int) -> None:
    path = write(tmp_path, small[:cut])
    for use in (TARGET.load, TARGET.inspect):
        with pytest.raises(ArtefactError):
            use(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="No such file"):
        TARGET.load(tmp_path / "absent.pte")


def test_other_bytes_are_refused(tmp_path: Path) -> None:
    for noise in (b"", b"PK\x03\x04" * 100, bytes(range(256)) * 20):
        with pytest.raises(ArtefactError):
            TARGET.load(write(tmp_path, noise))


def test_every_flip_outside_the_weights_is_refused(small: bytes, tmp_path: Path) -> None:
    """The digest covers the structure: such bytes never reach native code."""
    spans = containers.open_container(small).constant_ranges
    constants = {
        position
        for key, (start, end) in spans.items()
        if key != containers.DIGEST_KEY
        for position in range(start, end)
    }
    structure = sorted(set(range(len(small))) - constants)
    for position in random.Random(0).sample(structure, 300):
        flipped = bytearray(small)
        flipped[position] ^= 1 << random.Random(position).randrange(8)
        with pytest.raises(ArtefactError):
            TARGET.load(write(tmp_path, bytes(flipped)))


def test_a_constant_that_is_too_short_is_refused(small: bytes) -> None:
    """Files of other writers have no digest: what native code would believe is checked against the file."""
    (graph,) = containers.open_container(small).graphs
    constants = dict(containers.open_container(small).constants)
    key = next(value.key for value in graph.values.values() if value.key is not None)
    constants[key] = constants[key][:-4]
    with pytest.raises(ArtefactError, match="too short"):
        graph.check(constants)
    del constants[key]
    with pytest.raises(ArtefactError, match="missing"):
        graph.check(constants)


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


def test_a_file_that_hides_its_digest_is_refused(small: bytes, tmp_path: Path) -> None:
    hidden = small.replace(containers.DIGEST_KEY.encode(), b"structure.sha257")
    assert not containers.read_container(hidden).signed
    with pytest.raises(ArtefactError, match="digest"):
        TARGET.load(write(tmp_path, hidden))


def test_the_file_tells_which_module_each_operation_comes_from(small: bytes) -> None:
    container = containers.open_container(small)
    (graph,) = container.graphs
    found = dict(zip([node.kind for node in graph.nodes], container.modules, strict=True))
    assert (found["DepthwiseConv2d"], found["FullyConnected"], found["Add"]) == ("mix", "head", "")
    start, end = container.constant_ranges[containers.MODULES_KEY]
    damaged = containers.open_container(small[:start] + b"?" * (end - start) + small[end:])
    with pytest.raises(ArtefactError, match="list of modules"):
        _ = damaged.modules
