"""End to end: the bundled models become three int8 artefacts, each proven, and planted faults are caught."""

from __future__ import annotations

import errno
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import evit_mobile
from calib.errors import DataError
from converters.errors import ToolchainError
from converters.files import sha256
from converters.registry import find_target
from evit_mobile.commands import convert as pipeline
from evit_mobile.commands import proving
from evit_mobile.commands import validate as reading
from evit_mobile.commands.convert import convert
from evit_mobile.commands.evaluate import evaluate
from evit_mobile.errors import UsageError
from evit_mobile.models import build_model
from evit_mobile.prepare.preparation import EXACT_DB
from evit_mobile.progress import Report
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import ArtefactEntry
from evit_mobile.reference import randomise
from evit_mobile.spec import find_spec
from evit_mobile.validation import golden
from tests.evit_mobile.test_cli import run
from tests.few_images import few_images
from tests.oracles import timm_model

pytestmark = pytest.mark.slow
FORMATS = ["coreml", "tflite", "executorch"]


BUNDLED = ["efficientvit_m0", "efficientvit_b0"]


@pytest.fixture(scope="module", params=BUNDLED)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def converted(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(model)
    conversion = evit_mobile.convert(model, out=folder)
    assert conversion.manifest.to_json() == read_manifest(folder).to_json()
    return folder


@pytest.fixture(scope="module")
def in_fp32(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"{model}_fp32")
    assert evit_mobile.convert(model, precision="fp32", out=folder).proven
    return folder


@pytest.fixture(scope="module")
def reference_top1(in_fp32: Path) -> float:
    """Top-1 of a bundled checkpoint in fp32 on all 10,000 test images, in percent: of its file for LiteRT, which is proven to give what
    PyTorch gives, in a quarter of the time.
    """
    result = evaluate(in_fp32 / entries(in_fp32)[1].path)
    assert result.images == 10_000
    return result.top1


@pytest.fixture(scope="module")
def kept() -> dict[str, pipeline.Prepared]:
    return {}


@pytest.fixture
def prepared_once(kept: dict[str, pipeline.Prepared], monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that differ in their folders and golden vectors alone are prepared once: for tests of what comes after that."""
    prepare_all = pipeline.prepare_all

    def prepare(job: pipeline.Job, report: Report) -> pipeline.Prepared:
        asked = json.dumps({**job.request.to_json(), "out": None, "golden": None})
        if asked not in kept:
            kept[asked] = prepare_all(job, report)
        return kept[asked]

    monkeypatch.setattr(pipeline, "prepare_all", prepare)


def test_float_artefacts_pass_too(model: str, in_fp32: Path, tmp_path: Path) -> None:
    in_fp16 = tmp_path / "fp16"
    assert evit_mobile.convert(model, precision="fp16", calib=few_images(tmp_path), out=in_fp16).proven
    for folder in (in_fp32, in_fp16):
        verdicts = {entry.format: entry.validation.verdict for entry in entries(folder)}
        assert verdicts == dict.fromkeys(FORMATS, "passed")


def entries(folder: Path) -> tuple[ArtefactEntry, ...]:
    return read_manifest(folder).artefacts


def test_all_three_pass_on_256_held_out_images(converted: Path) -> None:
    assert [entry.format for entry in entries(converted)] == FORMATS
    for entry in entries(converted):
        validation = entry.validation
        assert validation.verdict == "passed", validation.reason
        assert validation.images == 256
        assert [hop.end for hop in validation.hops] == ["rewritten", "quantized", entry.format]
        assert entry.sha256 == sha256(converted / entry.path)
    assert "(2 images with its weight cache on as well)" in entries(converted)[2].validation.runtime


def test_nothing_but_artefacts_and_the_manifest_is_left(converted: Path) -> None:
    names = {path.name for path in converted.iterdir()}
    assert names == {entry.path for entry in entries(converted)} | {"manifest.json", "golden", "plans"}


def test_int8_accuracy_on_the_whole_test_set(converted: Path, reference_top1: float) -> None:
    for entry in entries(converted)[1:]:
        result = evaluate(converted / entry.path)
        assert result.images == 10_000
        assert result.top1 >= reference_top1 - 1.0


def test_bundled_checkpoints(reference_top1: float) -> None:
    assert reference_top1 >= 92.5


def test_validate_proves_it_again(converted: Path) -> None:
    results = reading.validate(converted)
    assert [result.validation.verdict for result in results.artefacts] == ["passed"] * 3
    assert results.golden is not None
    assert (results.golden.verdict, results.golden.reason) == ("passed", "8 images, 3 artefacts")


@pytest.mark.parametrize("format", FORMATS)
def test_flipped_weight_bytes_are_caught(
    format: str, converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    entry = next(entry for entry in entries(folder) if entry.format == format)
    flip(weight_file(folder / entry.path), bits=1)
    assert run(monkeypatch, "validate", str(folder / entry.path), "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["artefacts"][0]["validation"]["verdict"] == "failed"


def test_damaged_golden_vectors_are_caught(
    converted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    flip(folder / "golden" / "03.f32", bits=1)
    assert run(monkeypatch, "validate", str(folder / entries(folder)[1].path), "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["artefacts"][0]["validation"]["verdict"] == "passed"
    assert document["golden"]["verdict"] == "failed"
    assert "03.f32" in document["golden"]["reason"]


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_weights_are_caught_by_their_outputs(format: str, converted: Path, tmp_path: Path) -> None:
    """Even with a manifest that vouches for the altered bytes."""
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    document = json.loads((folder / "manifest.json").read_text())
    entry = next(entry for entry in document["artefacts"] if entry["format"] == format)
    flip(weight_file(folder / entry["path"]), bits=4000)
    entry["sha256"] = sha256(folder / entry["path"])
    (folder / "manifest.json").write_text(json.dumps(document))
    (result,) = reading.validate(folder / entry["path"]).artefacts
    assert result.validation.verdict == "failed"
    assert result.validation.reason


def weight_file(path: Path) -> Path:
    return next(path.rglob("weight.bin")) if path.is_dir() else path


def flip(path: Path, bits: int) -> None:
    """Flips the top bit of `bits` bytes in the middle half of a file, where the weights are."""
    content = bytearray(path.read_bytes())
    chosen = random.Random(0).sample(range(len(content) // 4, 3 * len(content) // 4), bits)
    for position in chosen:
        content[position] ^= 0x80
    path.write_bytes(content)


@pytest.mark.usefixtures("prepared_once")
def test_json_is_exactly_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ("convert", "--format", "tflite", "--fp32", "--size", "64", "--out", str(tmp_path), "--json")
    assert run(monkeypatch, *arguments) in (0, 1)
    out = capfd.readouterr().out
    assert json.loads(out) == json.loads((tmp_path / "manifest.json").read_text())


def test_a_live_timm_module_of_five_classes(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours = build_model(find_spec("efficientvit_b0", num_classes=5))
        randomise(ours, (224, 224))
    module = timm_model("efficientvit_b0", num_classes=5)
    module.load_state_dict(ours.state_dict())
    options = {"calib": few_images(tmp_path), "size": (192, 256)}
    conversion = convert(module, formats=["tflite"], precision="fp32", out=tmp_path, **options)
    assert conversion.proven
    (entry,) = conversion.manifest.artefacts
    assert (
        entry.validation.hops[0].total.sqnr_db >= EXACT_DB
    )  # which the form for GPUs does not reach with these weights
    assert conversion.manifest.model.weights == "module"
    images = torch.randn(2, 3, 192, 256)
    target = find_target("tflite")
    actual = target.load(tmp_path / "efficientvit_b0.fp32.tflite")(images.numpy())
    with torch.no_grad():
        expected = module(images).numpy()
    assert abs(actual - expected).max() <= 1e-4 * abs(expected).max()


def test_int8_of_own_weights_asks_for_images(tmp_path: Path) -> None:
    module = timm_model("efficientvit_m0", num_classes=5)
    with pytest.raises(UsageError, match="--calib"):
        convert(module, formats=["tflite"], out=tmp_path)


def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        conversion = convert(formats=["tflite"], precision="fp16", size=(64, 64), out=tmp_path / name)
        digests.append(conversion.manifest.artefacts[0].sha256)
    assert digests[0] == digests[1]


@pytest.mark.usefixtures("prepared_once")
def test_a_second_format_joins_the_manifest(tmp_path: Path) -> None:
    for precision in ("fp32", "fp16"):
        convert(formats=["tflite"], precision=precision, size=(64, 64), out=tmp_path)
    assert [entry.precision for entry in entries(tmp_path)] == ["fp32", "fp16"]
    assert set(golden_document(tmp_path)["artefacts"]) == {entry.path for entry in entries(tmp_path)}
    assert len(golden_document(tmp_path)["images"]) == 8


def golden_document(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / golden.PATH).read_text())
    return document


@pytest.mark.usefixtures("prepared_once")
def test_another_model_in_the_same_folder_takes_the_golden_vectors_away(tmp_path: Path) -> None:
    def convert_at(side: int, golden: int) -> None:
        convert(formats=["tflite"], precision="fp32", size=(side, side), golden=golden, out=tmp_path)

    convert_at(64, golden=3)
    assert len(golden_document(tmp_path)["images"]) == 3
    convert_at(96, golden=2)
    assert golden_document(tmp_path)["input"]["shape"] == [1, 3, 96, 96]
    assert {path.name for path in (tmp_path / "golden").iterdir()} == {
        "golden.json",
        "00.png",
        "00.f32",
        "00.u8",
        "01.png",
        "01.f32",
        "01.u8",
    }
    convert_at(96, golden=0)
    assert read_manifest(tmp_path).golden is None
    assert not (tmp_path / "golden").exists()


FULL_DISK = OSError(errno.ENOSPC, "No space left on device")


def failing(failure: BaseException) -> Callable[..., None]:
    def fail(*_arguments: object) -> None:
        raise failure

    return fail


def exit_code_of_converting(monkeypatch: pytest.MonkeyPatch, folder: Path, *formats: str) -> int:
    chosen = [word for name in formats for word in ("--format", name)]
    return run(monkeypatch, "convert", *chosen, "--fp32", "--size", "64", "--out", str(folder))


@pytest.mark.usefixtures("prepared_once")
@pytest.mark.parametrize(
    ("failure", "code"),
    [(KeyboardInterrupt(), 130), (DataError(got="a damaged photo", allowed="photos", do="remove it"), 2)],
)
def test_a_file_that_was_not_judged_is_not_left(
    failure: BaseException, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "prove", failing(failure))
    assert exit_code_of_converting(monkeypatch, tmp_path, "tflite") == code
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("prepared_once")
@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (ToolchainError(got="no memory", allowed="enough", do="free some"), 3),
        (DataError(got="a damaged photo", allowed="photos", do="remove it"), 2),
        (FULL_DISK, 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_artefacts_proven_before_a_failure_are_kept(
    failure: BaseException, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = iter([pipeline.produce, failing(failure)])
    monkeypatch.setattr(pipeline, "produce", lambda *arguments: next(steps)(*arguments))
    assert exit_code_of_converting(monkeypatch, tmp_path, "tflite", "executorch") == code
    assert [entry.format for entry in entries(tmp_path)] == ["tflite"]
    assert reading.validate(tmp_path).proven
    assert read_manifest(tmp_path).golden is not None


@pytest.mark.usefixtures("prepared_once")
def test_a_missing_file_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code_of_converting(monkeypatch, tmp_path, "tflite", "executorch") == 0
    (tmp_path / entries(tmp_path)[0].path).unlink()
    verdicts = [result.validation.verdict for result in reading.validate(tmp_path).artefacts]
    assert verdicts == ["failed", "passed"]


@pytest.mark.usefixtures("prepared_once")
@pytest.mark.parametrize(("failure", "code"), [(FULL_DISK, 2), (KeyboardInterrupt(), 130)])
def test_artefacts_are_kept_without_golden_vectors(
    failure: BaseException, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "write_golden", failing(failure))
    assert exit_code_of_converting(monkeypatch, tmp_path, "tflite") == code
    assert [entry.format for entry in entries(tmp_path)] == ["tflite"]
    assert reading.validate(tmp_path).proven
    assert read_manifest(tmp_path).golden is None


@pytest.mark.usefixtures("prepared_once")
def test_nothing_written_is_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "produce", failing(FULL_DISK))
    assert exit_code_of_converting(monkeypatch, tmp_path, "tflite") == 2
    assert not list(tmp_path.iterdir())
