"""ONNX files compiled for a SoC, in Qualcomm's emulator, and faults planted in them. Skipped without the wheel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from converters.qualcomm import libraries

if (absent := libraries.missing()) is not None:
    pytest.skip(absent, allow_module_level=True)

from converters.contract import Metadata, Precision
from converters.errors import ArtefactError, ToolchainError
from converters.integer_io import with_integer_io
from converters.onnx import qualcomm
from converters.onnx.target import OnnxTarget
from converters.quantized_program import quantize_program
from converters.registry import find_target
from evit_mobile.commands.per_operation import MOST_QUANTA
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan, plan, scales
from evit_mobile.rewrites import rewrite_for_integers
from tests.qualcomm.test_onnx_format import Small, images

pytestmark = pytest.mark.slow

TARGET = qualcomm.OnnxQualcommTarget("SM8650")
PRECISIONS = (Precision.INT8, Precision.INT8_FULL, Precision.A16W8)
METADATA = Metadata(description="a test")


def portable(folder: Path, precision: Precision, model: nn.Module | None = None) -> Path:
    """A small network in `precision`; int8-full takes and gives int8."""
    x, model = images(8, 16), model or Small().eval()
    form = rewrite_for_integers(model, x)[0] if precision is Precision.INT8_FULL else model
    program = export(form, (16, 16))
    quantized = quantize_program(program, make_plan(program, x.split(1), profile=precision))
    path = folder / f"{precision}.onnx"
    OnnxTarget().lower(
        with_integer_io(quantized) if precision is Precision.INT8_FULL else quantized, precision, path, METADATA
    )
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    path = folder / "int8.sm8650.onnx"
    TARGET.compile(portable(folder, Precision.INT8), Precision.INT8, path)
    return path


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_binary_gives_what_the_portable_file_gives(precision: Precision, tmp_path: Path) -> None:
    source, path, x = portable(tmp_path, precision), tmp_path / "m.sm8650.onnx", images(6, 16).numpy()
    artefact = TARGET.compile(source, precision, path)
    assert (artefact.format, artefact.soc, artefact.reproducible) == ("onnx-sm8650", "SM8650", False)
    assert artefact.inputs == OnnxTarget().inspect(source).inputs
    delegation = TARGET.inspect(path).delegation
    assert delegation is not None
    assert (delegation.partitions, delegation.delegated_ops) == (1, delegation.total_ops)
    assert sqnr_db(TARGET.load(path)(x), OnnxTarget().load(source)(x)) > 20


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.A16W8])
def test_depthwise_convolutions_are_taken(precision: Precision, tmp_path: Path) -> None:
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(), nn.Conv2d(8, 8, 1)
    source = portable(tmp_path, precision, nn.Sequential(*layers, nn.Flatten()).eval())
    path, x = tmp_path / "m.sm8650.onnx", images(4, 16).numpy()
    TARGET.compile(source, precision, path)
    assert sqnr_db(TARGET.load(path)(x), OnnxTarget().load(source)(x)) > 20


class Silent(nn.Module):
    """One of two branches is always 0 behind its ReLU, as one of m0's is."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.silent = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.last, self.beside = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)
        nn.init.constant_(self.silent.bias, -100)  # type: ignore[arg-type]  # it has a bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x).relu()
        return (self.last(self.silent(y).relu()) + self.beside(y)).flatten(1)


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.A16W8])
def test_a_tensor_that_is_always_zero_leaves_nothing_on_the_cpu(precision: Precision, tmp_path: Path) -> None:
    source = portable(tmp_path, precision, Silent().eval())
    path, x = tmp_path / "m.sm8650.onnx", images(4, 16).numpy()
    TARGET.compile(source, precision, path)
    assert sqnr_db(TARGET.load(path)(x), OnnxTarget().load(source)(x)) > 20


class Gated(nn.Module):
    """A gate whose results lie in a narrow range, and output channels with nearly no weights, with a bias and without: m0 has such."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)
        with torch.no_grad():
            self.last.weight[:2] *= 1e-7
            self.last.bias.copy_(torch.tensor([0.5, 0, 0.5, 0]))  # type: ignore[union-attr]  # it has a bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x).relu()
        return self.last(y * self.gate(y.mean((2, 3), keepdim=True)).sigmoid()).flatten(1)


def gated(folder: Path, precision: Precision) -> Path:
    torch.manual_seed(0)
    return portable(folder, precision, Gated().eval())


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.A16W8])
def test_every_operation_is_right_on_the_codes_of_the_cpu(precision: Precision, tmp_path: Path) -> None:
    source, path, x = gated(tmp_path, precision), tmp_path / "m.sm8650.onnx", images(4, 16).numpy()
    steps = TARGET.steps(source, x[:1])
    operations = [step.operation for step in steps if step.operation != "QuantizeLinear"]
    assert operations == ["Conv", "ReduceMean", "Conv", "Sigmoid", "Mul", "Conv"]
    assert {step.tensor for step in steps if step.quanta > MOST_QUANTA} == set()
    TARGET.compile(source, precision, path)
    assert sqnr_db(TARGET.load(path)(x), OnnxTarget().load(source)(x)) > (50 if precision is Precision.A16W8 else 30)


def test_steps_next_to_nothing_beside_the_results_are_seen_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scales, "LEAST_FACTOR", 0.0)
    source, path, x = gated(tmp_path, Precision.A16W8), tmp_path / "m.sm8650.onnx", images(4, 16).numpy()
    off = [step for step in TARGET.steps(source, x[:1]) if step.quanta > MOST_QUANTA]
    assert [(step.operation, step.module) for step in off] == [("Conv", "last")]
    TARGET.compile(source, Precision.A16W8, path)
    assert sqnr_db(TARGET.load(path)(x), OnnxTarget().load(source)(x)) < 20


def test_a_sigmoid_of_16_bits_in_the_range_that_was_seen_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "has_fixed_parameters", lambda _group: False)
    steps = TARGET.steps(gated(tmp_path, Precision.A16W8), images(1, 16).numpy())
    assert [step.operation for step in steps if step.quanta > MOST_QUANTA] == ["Sigmoid"]


def test_damage_and_other_socs_are_refused_before_qualcomms_code_sees_a_byte(
    compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qualcomm, "Emulator", lambda *_: pytest.fail("the emulator was started"))
    content = compiled.read_bytes()
    path = tmp_path / "m.sm8650.onnx"
    for position in range(0, len(content), len(content) // 20):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :])
        with pytest.raises(ArtefactError):
            TARGET.load(path)
    with pytest.raises(ArtefactError, match="compiled for SM8650"):
        find_target("onnx-sm8550").load(compiled)
    with pytest.raises(ArtefactError, match="not compiled for an NPU"):
        TARGET.load(portable(tmp_path, Precision.INT8))


def test_what_is_not_taken_whole_is_refused_with_the_compilers_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(qualcomm.WORKER.read_text().replace("get_qnn_htp_path()", "get_qnn_cpu_path()"))
    monkeypatch.setattr(qualcomm, "WORKER", worker)
    with pytest.raises(ToolchainError, match="which Qualcomm's compiler does not take for SM8650"):
        TARGET.compile(portable(tmp_path, Precision.INT8), Precision.INT8, tmp_path / "m.sm8650.onnx")
