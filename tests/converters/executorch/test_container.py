"""The file around the delegate: its metadata and its modules, and damage that is found before native code sees it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from converters.contract import Metadata, Precision
from converters.errors import ArtefactError
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.executorch_helpers import write
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lazily import Lazily
from tests.lowering_helpers import export

containers = Lazily("converters.executorch.container")
lowering = Lazily("converters.executorch.lower")
runtimes = Lazily("converters.executorch.runtime")

TARGET = ExecuTorchTarget()


def test_the_file_carries_its_metadata() -> None:
    metadata = Metadata(description="what it is", labels=("cat", "dög"), extra={"key": "value"})
    file = lowering.to_bytes(export(Small(), torch.randn(IMAGE)), Precision.FP32, metadata)
    program = runtimes.load_program(file)
    (text,) = runtimes.load_method(program, containers.METADATA_METHOD).execute([])
    assert '"description": "what it is"' in text
    assert '"labels": ["cat", "d\\u00f6g"]' in text


def test_an_input_is_read_where_the_caller_has_it(small: bytes) -> None:
    """Planned memory would have the runtime copy it at every run."""
    plan = containers.open_container(small).plan
    inputs, outputs = ([plan.values[place].val for place in places] for places in (plan.inputs, plan.outputs))
    assert [one.allocation_info for one in inputs] == [None]
    assert all(one.allocation_info is not None for one in outputs)


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
