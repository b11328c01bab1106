"""Constants that XNNPACK does not pack: the program's own, handed to the delegate, and right with the weight cache off and on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
from converters.executorch import weight_cache
from converters.executorch.graph import Graph
from converters.executorch.target import ExecuTorchTarget
from tests.converters.executorch.executorch_helpers import content, graph, kinds, run, write
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, Apply, export, quantize, relative_error

constants = Lazily("converters.executorch.constants")
containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")
lowering = Lazily("converters.executorch.lower")
runtimes = Lazily("converters.executorch.runtime")

IMAGE = (1, 4, 6, 6)
TARGET = ExecuTorchTarget()


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


@pytest.mark.parametrize(("precision", "limit"), [(Precision.FP32, 1e-5), (Precision.FP16, 2e-2)])
def test_every_operation_with_a_constant_is_given_it_by_the_program(precision: Precision, limit: float) -> None:
    x = images()
    file = content(export(model(), x), precision)
    assert graph(file).unpacked() == []
    assert {"Add", "Subtract", "Multiply", "Div", "Maximum", "Minimum", "BatchMatrixMultiply", "Concatenate2"} <= set(
        kinds(file)
    )
    assert len(list(constants.constant_tensors(containers.open_container(file).plan))) >= 10
    assert relative_error(run(file, x), model()(x)) < limit


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.INT8])
def test_the_weight_cache_changes_nothing(precision: Precision, tmp_path: Path) -> None:
    x = images()
    program = export(model(), x)
    if precision is Precision.INT8:
        program = quantize(program, x)
    found = TARGET.run_with_settings(write(tmp_path, content(program, precision)), np.concatenate([x.numpy()] * 2))
    assert found is not None
    assert (found.words, found.fault) == ("2 images with its weight cache on as well", None)


def test_a_number_in_an_int8_operation_is_given_by_the_program() -> None:
    x = images()
    file = content(quantize(export(nn.Sequential(nn.Conv2d(4, 4, 1), Apply(lambda x: x * 0.3)), x), x), Precision.INT8)
    assert [tensor.scalar_type.name for tensor in constants.constant_tensors(containers.open_container(file).plan)] == [
        "CHAR"
    ]


def test_a_constant_that_is_a_weight_as_well_is_kept_twice() -> None:
    shared = torch.randn(6)
    linear = nn.Linear(6, 6)
    linear.bias.data = shared
    model = nn.Sequential(linear, Apply(lambda x, c: x + c, c=shared))
    file = content(export(model, images()))
    assert graph(file).unpacked() == []
    assert len(list(constants.constant_tensors(containers.open_container(file).plan))) == 1
    assert relative_error(run(file, images()), model(images())) < 1e-5


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_a_constant_inside_the_delegate_is_caught_before_it_is_written(precision: Precision) -> None:
    with pytest.raises(ToolchainError, match=r"XNNPACK does not pack, of Add"):
        delegates.write_blob(old_form(precision))


def test_a_file_that_reads_freed_memory_is_seen(tmp_path: Path) -> None:
    """What phones do with the form of earlier files, and what the default of the Python package hides."""
    path = write(tmp_path, old_file())
    assert TARGET.load(path)(images().numpy()).shape == IMAGE
    found = TARGET.run_with_settings(path, images().numpy())
    assert found is not None
    assert found.fault is not None
    assert "with the weight cache it kills the runtime (signal 11)" in found.fault


def test_inspect_names_constants_that_may_be_freed(tmp_path: Path) -> None:
    notes = " ".join(TARGET.inspect(write(tmp_path, old_file())).notes)
    assert "1 Add" in notes
    assert "convert the model again" in notes


def test_other_outputs_are_a_fault() -> None:
    off = np.zeros((3, 2), np.float32)
    on = off.copy()
    on[1, 0] = -0.0
    assert runtimes.difference(off, off) is None
    assert runtimes.difference(off, on) == "the weight cache changes the outputs of 1 of 3 images"


def test_a_cache_that_cannot_be_set_is_not_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A build of another name for the function: the file below is the same program, looking for another symbol."""
    program = Path(weight_cache.__file__).read_text()
    other = tmp_path / "weight_cache.py"
    other.write_text(program.replace("{}_option", "{}_choice"))
    monkeypatch.setattr(weight_cache, "__file__", str(other))
    found = TARGET.run_with_settings(write(tmp_path, content(export(nn.Conv2d(4, 4, 1), images()))), images().numpy())
    assert found is not None
    assert found.fault is None
    assert found.words == "its weight cache as this build has it: this build of executorch exports no function for it"


def test_damaged_constants_are_refused(tmp_path: Path) -> None:
    """The digest covers the program's constants, byte by byte."""
    file = content(export(Apply(lambda x, c: x + c, c=torch.full((4, 6, 6), 3.25)), images()))
    place = file.index(np.full(4, 3.25, np.float32).tobytes())
    for position in (place, place + 4 * 4 * 36 - 1):
        flipped = bytearray(file)
        flipped[position] ^= 0x40
        with pytest.raises(ArtefactError, match="digest"):
            TARGET.inspect(write(tmp_path, bytes(flipped)))


def test_constants_that_are_too_short_or_missing_are_refused() -> None:
    """Files of other writers have no digest: what native code would believe is checked against the file."""
    container = containers.open_container(content(export(Apply(lambda x, c: x + c, c=torch.randn(4, 6, 6)), images())))
    (tensor,) = constants.constant_tensors(container.plan)
    index = container.program.constant_segment.segment_index
    start, end = container.segments[index]
    shorter = (*container.segments[:index], (start, end - 4), *container.segments[index + 1 :])
    with pytest.raises(ArtefactError, match="too short"):
        constants.check_constants(replace(container, segments=shorter))
    tensor.data_buffer_idx = 2
    with pytest.raises(ArtefactError, match="missing"):
        constants.check_constants(container)


def together(files: list[Path], x: Tensor, outputs: Path) -> dict[str, np.ndarray]:
    """Outputs of files that are loaded into one process, one after the other, with the weight cache off and on."""
    given = outputs.with_suffix(".npy")
    np.save(given, x.numpy())
    command = [sys.executable, "-P", weight_cache.__file__, *map(str, files), str(given), str(outputs)]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(outputs) as runs:
        return dict(runs)


def test_files_that_share_weights_do_not_share_their_packed_form(tmp_path: Path) -> None:
    """An app may hold float32 and float16, or two calibrations, of one model: the cache is the process's."""
    x = images()
    program = export(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1, bias=False)), x)
    variants = {
        "fp32": content(program),
        "fp16": content(program, Precision.FP16),
        "int8": content(quantize(program, x), Precision.INT8),
        "other int8": content(quantize(program, 3 * x), Precision.INT8),
    }
    files = []
    for name, file in variants.items():
        files.append(tmp_path / f"{name}.pte")
        files[-1].write_bytes(file)
    runs = together(files, x, tmp_path / "outputs.npz")
    for position in range(len(files)):
        assert runs[f"on{position}"].tobytes() == runs[f"off{position}"].tobytes()


def test_one_weight_behind_two_scales_is_packed_twice() -> None:
    x = images()
    shared = nn.Conv2d(4, 4, 1, bias=False)
    program = quantize(export(Apply(lambda x, f: torch.cat([f(x), f(torch.relu(x))], 1), f=shared), x), x)
    file = content(program, Precision.INT8)
    stored, places = graph(file), containers.open_container(file).constant_ranges
    keys = [str(stored.values[node.packed[0]].key) for node in stored.nodes if node.packed]
    assert len(keys) == len(set(keys)) == 2
    assert len({places[key] for key in keys}) == 2
