"""Compiled files in Qualcomm's own emulator, and faults planted in them. Skipped without the wheel: `make test-qualcomm` brings it.

m0 and b0 at 96x96 with their bundled weights; `test_the_bundled_models_are_right_on_every_usual_soc` is at 224x224.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from converters.contract import Metadata, Precision
from converters.errors import ArtefactError, ToolchainError
from converters.interface import Choices, Interface
from converters.qualcomm import emulator, libraries
from converters.qualcomm.socs import USUAL
from converters.registry import find_target
from converters.tflite import qualcomm, structure
from converters.tflite.compiled import Compiled
from converters.tflite.target import TFLiteTarget
from converters.traits import StepJudge
from evit_mobile.commands.per_operation import MOST_QUANTA
from evit_mobile.images.data import Images
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.prepare.preparation import prepare
from evit_mobile.quantization import scales
from evit_mobile.reference import load_reference
from tests.converters.tflite.small import IMAGE, Small
from tests.evit_mobile.test_cli import run
from tests.lowering_helpers import export, quantize
from tests.qualcomm.planted import images_of, swapped_scales

pytestmark = [pytest.mark.skipif(libraries.missing() is not None, reason=str(libraries.missing())), pytest.mark.slow]

WRONG_ANYHOW = {"SLICE"}
"""One of m0's, on every SoC (docs/qualcomm.md)."""
SMALL, NATIVE = (96, 96), (224, 224)
REQUIRED_DB = {Precision.INT8: 27.0, Precision.INT8_FULL: 23.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A portable file, images (N, 3, H, W) to run it on, and what the reference gives for them."""

    path: Path
    images: np.ndarray
    expected: np.ndarray

    def compiled(self, soc: str, precision: Precision = Precision.INT8) -> Path:
        target = find_target(f"tflite-{soc.lower()}")
        assert isinstance(target, qualcomm.QualcommTarget)
        path = self.path.with_suffix(target.suffix)
        target.compile(self.path, precision, path)
        return path

    def measured_db(self, soc: str, path: Path) -> float:
        return float(sqnr_db(self.given_by(soc, path), self.expected))

    def given_by(self, soc: str, path: Path) -> np.ndarray:
        return find_target(f"tflite-{soc.lower()}").load(path)(self.images)


def written(
    folder: Path, model: str, size: tuple[int, int], precision: Precision = Precision.INT8, count: int = 8
) -> Written:
    reference = load_reference(model, weights="bundled", size=size)
    calibration, held_out = images_of(reference)
    asked = Preparation(
        reference=reference,
        calibration=calibration,
        held_out=held_out.limited(count),
        precision=precision,
        targets=[find_target("tflite")],
    )
    (lowerable,) = prepare(asked, lambda _: None).values()
    path = folder / f"{model}.{precision}.tflite"
    find_target("tflite").lower(lowerable.program, precision, path, Metadata(description="test"))
    return Written(path=path, images=stacked(asked.held_out), expected=lowerable.stages[0][1])


def stacked(images: Images) -> np.ndarray:
    return np.concatenate(list(images.batches()))


@pytest.fixture(scope="module")
def m0(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written(tmp_path_factory.mktemp("m0"), "efficientvit_m0", SMALL)


@pytest.fixture(scope="module")
def sm8650(m0: Written) -> Path:
    return m0.compiled("SM8650")


def test_the_emulator_gives_what_the_portable_file_gives(m0: Written, sm8650: Path) -> None:
    delegation = find_target("tflite-sm8650").inspect(sm8650).delegation
    assert delegation is not None
    assert (delegation.partitions, delegation.delegated_ops) == (1, delegation.total_ops)
    original = schema.Model.GetRootAsModel(m0.path.read_bytes(), 0).Subgraphs(0).OperatorsLength()
    assert delegation.total_ops == original
    cpu = find_target("tflite").load(m0.path)(m0.images)
    npu = find_target("tflite-sm8650").load(sm8650)(m0.images)
    assert sqnr_db(npu, cpu) > 20
    assert not np.array_equal(npu, cpu)  # it is not the CPU's arithmetic


def test_a_swapped_scale_is_seen(m0: Written, sm8650: Path, tmp_path: Path) -> None:
    wrong = Written(path=swapped_scales(m0.path, tmp_path / "wrong.tflite"), images=m0.images, expected=m0.expected)
    assert m0.measured_db("SM8650", sm8650) > 20
    assert wrong.measured_db("SM8650", wrong.compiled("SM8650")) < 15


def test_the_binary_of_another_model_is_seen(m0: Written, sm8650: Path, tmp_path: Path) -> None:
    other = written(tmp_path, "efficientvit_b0", SMALL, count=2)
    m0_file, b0_file = Compiled(sm8650), Compiled(other.compiled("SM8650"))
    tables = len(m0_file.content) - len(m0_file.binary().content)
    room = len(m0_file.binary().content)
    foreign = b0_file.binary().content
    swapped = tmp_path / "swapped.sm8650.tflite"
    swapped.write_bytes(structure.signed(m0_file.content[:tables] + foreign[:room].ljust(room, b"\0")))
    try:
        assert m0.measured_db("SM8650", swapped) < 5
    except ToolchainError as error:
        assert "does not take the binary" in str(error)  # noqa: PT017  # either is a fault that is seen


def test_damage_is_refused_before_qualcomms_code_sees_it(
    m0: Written, sm8650: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qualcomm, "Emulator", lambda *_: pytest.fail("the emulator was started"))
    content = bytearray(sm8650.read_bytes())
    content[-1000] ^= 1
    path = tmp_path / sm8650.name
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="digest"):
        m0.measured_db("SM8650", path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda code: code.replace(', "soc_model": soc}', "}"), "'soc': None"),
        (
            lambda code: code.replace("options.add_provider_for_devices(", "len(").replace("devices[:1], {", "{"),
            "does not take the binary",
        ),
    ],
    ids=["no SoC", "CPU"],
)
def test_a_session_that_is_not_the_socs_is_seen(
    change: Callable[[str], str],
    said: str,
    m0: Written,
    sm8650: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = emulator.WORKER.read_text()
    assert change(code) != code
    (tmp_path / "worker.py").write_text(change(code))
    monkeypatch.setattr(emulator, "WORKER", tmp_path / "worker.py")
    with pytest.raises(ToolchainError, match=said) as caught:
        m0.measured_db("SM8650", sm8650)
    assert "TypeError" not in str(caught.value)


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return written(tmp_path_factory.mktemp("roomy"), "efficientvit_m0", NATIVE, count=4)


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """m0 by a plan that leaves no room for the biases of nearly dead channels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scales, "MOST_STEPS", 2**60)
        return written(tmp_path_factory.mktemp("cramped"), "efficientvit_m0", NATIVE, count=4)


def test_channels_without_room_for_their_bias_are_seen_on_v68_and_nowhere_else(
    roomy: Written, cramped: Written
) -> None:
    required = REQUIRED_DB[Precision.INT8]
    assert sqnr_db(find_target("tflite").load(cramped.path)(cramped.images), cramped.expected) > required
    assert cramped.measured_db("SM8650", cramped.compiled("SM8650")) > required
    assert roomy.measured_db("SM8350", roomy.compiled("SM8350")) > required
    assert cramped.measured_db("SM8350", cramped.compiled("SM8350")) < 20


def test_operations_one_by_one_name_the_layers_of_such_channels(roomy: Written, cramped: Written) -> None:
    target = find_target("tflite-sm8350")
    assert isinstance(target, StepJudge)
    for file, expected in ((roomy, set()), (cramped, {"CONV_2D"})):
        found = target.steps(file.path, file.images[:1])
        assert len(found) > 300
        off = [step for step in found if step.quanta > MOST_QUANTA]
        assert {step.operation for step in off} - WRONG_ANYHOW == expected
        assert all(step.module for step in off)


def test_what_the_compiler_does_not_take_is_said_with_its_words(tmp_path: Path) -> None:
    file = written(tmp_path, "efficientvit_b0", SMALL, count=1)
    with pytest.raises(ToolchainError, match=r"int8\.tflite, which Qualcomm's compiler does not take for SM8350"):
        file.compiled("SM8350")


def test_a_file_of_another_writer_is_not_compiled(m0: Written, tmp_path: Path) -> None:
    model = schema.ModelT.InitFromPackedBuf(m0.path.read_bytes(), 0)
    model.metadata = []
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path = tmp_path / "foreign.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError, match="no digest"):
        Written(path=path, images=m0.images, expected=m0.expected).compiled("SM8650")


def test_what_the_portable_file_answers_the_compiled_one_does(tmp_path: Path) -> None:
    """Probabilities, where it was written with `--class-output`."""
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    quantized = quantize(export(Small().eval(), x), x)
    writer, target = TFLiteTarget().chosen(Choices(interface=Interface(classes=True))), find_target("tflite-sm8650")
    assert isinstance(target, qualcomm.QualcommTarget)
    path, compiled = tmp_path / "m.tflite", tmp_path / "m.sm8650.tflite"
    writer.lower(quantized, Precision.INT8, path, Metadata(description="test", labels=tuple("abcd")))
    (output,) = target.compile(path, Precision.INT8, compiled).outputs
    assert output.name == "probabilities"
    given, expected = (judge.load(each)(x.numpy()) for judge, each in ((target, compiled), (writer, path)))
    assert np.abs(given - expected).max() < 0.01  # two roundings of a logit's code


def test_written_files_are_compiled_judged_and_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--format", "tflite", "--int8", "--golden", "0", "--out", str(tmp_path), "--json")
    assert run(monkeypatch, "convert", *options, "--soc", "sm8750") == 0
    first, second = json.loads(capfd.readouterr().out)["artefacts"]
    assert (first["soc"], first["reproducible"], second["soc"], second["reproducible"]) == (None, True, "SM8750", False)
    assert run(monkeypatch, "compile", str(tmp_path / first["path"]), "--soc", "SM8650", "--json") == 0
    entries = json.loads(capfd.readouterr().out)["artefacts"]
    assert [entry["format"] for entry in entries] == ["tflite", "tflite-sm8750", "tflite-sm8650"]
    (validation,) = entries[2]["validations"]
    assert (validation["on"], validation["images"], validation["verdict"]) == ("qualcomm:SM8650", 32, "passed")
    options = ("--on", "qualcomm:SM8650", "--per-operation")
    assert run(monkeypatch, "validate", str(tmp_path / entries[2]["path"]), *options) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "HTP emulator" in printed
    assert "on qualcomm:SM8650, 326 operations one by one:" in printed


@pytest.mark.parametrize("precision", REQUIRED_DB)
@pytest.mark.parametrize("model", ["efficientvit_m0", "efficientvit_b0"])
def test_the_bundled_models_are_right_on_every_usual_soc(model: str, precision: Precision, tmp_path: Path) -> None:
    """32 images on the first, as `compile` judges. From v73 on Hexagon computes the same bits, which 4 show of each other SoC."""
    file = written(tmp_path, model, NATIVE, precision, count=32)
    first, *others = USUAL
    given = file.given_by(first, file.compiled(first, precision))
    assert sqnr_db(given, file.expected) >= REQUIRED_DB[precision]
    few = replace(file, images=file.images[:4])
    for soc in others:
        assert np.array_equal(few.given_by(soc, few.compiled(soc, precision)), given[:4]), soc
