"""Image input and probabilities: refused early where they cannot hold, and proven where they can."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from converters.coreml.options import OptionError
from converters.coreml.target import CoreMLTarget
from converters.executorch.target import ExecuTorchTarget
from converters.files import sha256
from converters.interface import TENSORS
from converters.registry import find_target
from converters.tflite.target import TFLiteTarget
from evit_mobile.cli.flags import chosen_precision
from evit_mobile.commands.convert import convert
from evit_mobile.commands.evaluate import evaluate
from evit_mobile.commands.inspect import inspect
from evit_mobile.commands.validate import validate
from evit_mobile.errors import UsageError
from evit_mobile.images.data import preprocess_for
from evit_mobile.prepare.interface import fed, with_interface
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.record.files import read_manifest
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import check_class_output, usable_targets
from evit_mobile.spec import find_spec
from tests.evit_mobile.test_cli import run


def request_for(*formats: str, **fields: Any) -> ConvertRequest:
    return ConvertRequest.of(formats=formats, **{"precision": "fp16"} | fields)


def test_only_core_ml_has_an_ios() -> None:
    with pytest.raises(UsageError, match="tflite"):
        usable_targets(request_for("tflite", ios=18))
    usable_targets(request_for("tflite", "coreml", ios=18))
    usable_targets(request_for("tflite"))


def test_only_litert_has_files_for_cpus_only() -> None:
    with pytest.raises(UsageError, match="--cpu-only for coreml"):
        usable_targets(request_for("coreml", cpu_only=True))
    request = request_for("tflite", "coreml", cpu_only=True)
    preprocess = preprocess_for(find_spec("efficientvit_m0"), bundled=True)
    written = [with_interface(target, request, preprocess) for target in usable_targets(request)]
    assert [getattr(target, "cpu_only", None) for target in written] == [True, None]


@pytest.mark.parametrize("field", ["image_input", "class_output"])
def test_delegates_that_take_no_pixels_are_refused(field: str) -> None:
    option = f"--{field.replace('_', '-')}"
    usable_targets(request_for("tflite", "coreml", "executorch", **{field: True}))
    for delegate in ("coreml", "vulkan"):
        with pytest.raises(UsageError, match=f"{option} for executorch-{delegate}"):
            usable_targets(request_for("tflite", "executorch", delegate=delegate, **{field: True}))


def test_an_image_is_no_float_input() -> None:
    with pytest.raises(UsageError, match="leave --float-io out"):
        request_for("tflite", precision="int8-full", image_input=True, float_io=True)
    request_for("tflite", precision="int8-full", class_output=True, float_io=True)


def names_checked(names: Sequence[str], *formats: str, classes: int = 3, model: str = "efficientvit_m0") -> None:
    request = request_for(*formats, class_output=True)
    check_class_output(request, usable_targets(request), find_spec(model, num_classes=classes), names)


@pytest.mark.parametrize(
    "names", [(), ("cat", "dog"), ("cat", "dog", "fox", "owl"), ("cat", "a\nb", "fox"), ("cat", " ", "fox")]
)
def test_classes_need_a_name_each(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="for the 3 classes") as caught:
        names_checked(names, "tflite")
    assert caught.value.exit_code == 2
    assert "--labels FILE" in caught.value.do


def test_core_ml_needs_different_names() -> None:
    twice = ("crane", "crane", "owl")
    names_checked(twice, "tflite", "executorch")
    with pytest.raises(UsageError, match="2 different names for the 3 classes"):
        names_checked(twice, "tflite", "coreml")


def test_maps_have_class_names_but_not_in_core_ml() -> None:
    names, model = tuple(map(str, range(19))), "efficientvit_seg_b0_cityscapes"
    names_checked(names, "tflite", classes=19, model=model)
    with pytest.raises(UsageError, match="coreml"):
        names_checked(names, "tflite", "coreml", classes=19, model=model)


def test_a_model_without_class_names_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--weights", "random", "--model", "efficientvit_m0", "--fp32", "--format", "tflite", "--class-output")
    assert run(monkeypatch, "convert", *arguments, "--size", "64", "--out", str(tmp_path)) == 2
    printed = capsys.readouterr().err
    assert "names for the 1000 classes" in printed
    assert "rewriting" not in printed
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tflite"]


def test_a_release_too_old_for_the_precision_is_refused_before_the_work() -> None:
    with pytest.raises(OptionError, match="iOS 18 for int8-palette4"):
        usable_targets(request_for("coreml", precision="int8-palette4", ios=17))


def test_the_package_normalises_as_the_images_were() -> None:
    images = request_for("coreml", image_input=True)
    preprocess = Preprocess(size=(32, 32), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    target = with_interface(find_target("coreml"), images, preprocess)
    assert isinstance(target, CoreMLTarget)
    assert target.interface.pixels is not None
    assert (target.interface.pixels.mean, target.interface.pixels.std) == (preprocess.mean, preprocess.std)
    for name in ("tflite", "executorch"):
        other = with_interface(find_target(name), images, preprocess)
        assert isinstance(other, TFLiteTarget | ExecuTorchTarget)
        assert other.interface.pixels == target.interface.pixels
        plain = with_interface(find_target(name), request_for(name), preprocess)
        assert isinstance(plain, TFLiteTarget | ExecuTorchTarget)
        assert plain.interface == TENSORS


def test_timing_does_not_count_the_way_back_to_pixels() -> None:
    preprocess = Preprocess(size=(4, 4))
    target = with_interface(find_target("tflite"), request_for("tflite", image_input=True), preprocess)
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    tensor = preprocess.normalize(image)[None]
    np.testing.assert_array_equal(fed(target, tensor)[0].transpose(1, 2, 0), image)
    assert fed(find_target("tflite"), tensor) is tensor


def test_palettes_join_int8_and_fp16_only() -> None:
    assert chosen_precision(4) == "int8-palette4"
    assert chosen_precision(6, fp16=True) == "fp16-palette6"
    for palette, flags in ((4, {"fp32": True}), (5, {"fp16": True}), (4, {"int8_full": True})):
        with pytest.raises(UsageError, match="4 or 6"):
            chosen_precision(palette, **flags)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16-palette6", "int8-palette4", "int8-weights"])
def test_compressed_packages_with_image_input_pass_and_pass_again(precision: str, tmp_path: Path) -> None:
    conversion = convert(formats=["coreml"], precision=precision, size=(96, 96), out=tmp_path, image_input=True)
    (entry,) = read_manifest(tmp_path).artefacts
    assert entry.precision == precision
    assert entry.inputs[0].dtype == "image"
    assert conversion.proven
    assert [result.validation.verdict for result in validate(tmp_path).artefacts] == ["passed"]


@pytest.mark.slow
def test_a_classifier_for_an_iphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--format", "coreml", "--fp16", "--size", "96", "--image-input", "--class-output", "--ios", "17")
    assert run(monkeypatch, "convert", *arguments, "--out", str(tmp_path)) in (0, 1)
    (entry,) = read_manifest(tmp_path).artefacts
    assert {output.name for output in entry.outputs} == {"classLabel", "classLabel_probs", "logits"}
    assert entry.validation.sqnr_db > 40


@pytest.fixture(scope="module")
def taking_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled m0 for LiteRT and ExecuTorch, from pixels to probabilities."""
    folder = tmp_path_factory.mktemp("photos")
    options: dict[str, Any] = {"size": (96, 96), "image_input": True, "class_output": True, "golden": 2}
    conversion = convert(formats=["tflite", "executorch"], precision="fp32", out=folder, **options)
    assert conversion.proven
    return folder


@pytest.mark.slow
def test_files_for_photos_pass_and_pass_again(taking_photos: Path) -> None:
    for entry in read_manifest(taking_photos).artefacts:
        assert (entry.inputs[0].dtype, entry.inputs[0].layout) == ("uint8", "NHWC")
        assert entry.inputs[0].shape == (1, 96, 96, 3)
        assert (entry.outputs[0].name, entry.outputs[0].dtype) == ("probabilities", "float32")
        assert entry.validation.probabilities
        assert entry.delegation is not None
        assert entry.delegation.partitions == 1
    again = validate(taking_photos)
    assert again.proven
    assert all(result.validation.probabilities for result in again.artefacts)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientvit_m0.fp32.tflite", "efficientvit_m0.fp32.pte"])
def test_files_for_photos_are_evaluated_and_inspected(name: str, taking_photos: Path) -> None:
    evaluation = evaluate(taking_photos / name, limit=32, with_reference=True)
    assert evaluation.top1 == evaluation.reference_top1
    inspection = inspect(taking_photos / name)
    assert (inspection.inputs[0].dtype, inspection.outputs[0].name) == ("uint8", "probabilities")


@pytest.mark.slow
def test_files_for_photos_are_profiled(taking_photos: Path, tmp_path: Path) -> None:
    paths, settings = sorted(taking_photos.glob("efficientvit*")), Settings(budget_s=0.5)
    measured = profile(paths, place="host", settings=settings, out=tmp_path / "profile.jsonl")
    assert len(measured["profiles"]) == 2
    assert all(one["operators"] for one in measured["profiles"])


@pytest.mark.slow
def test_a_file_that_normalises_otherwise_fails(taking_photos: Path, tmp_path: Path) -> None:
    """Its graph has another mean than its description and manifest say."""
    shutil.copytree(taking_photos, tmp_path / "copy")
    path = tmp_path / "copy" / "efficientvit_m0.fp32.tflite"
    mean = np.float32([-one / other for one, other in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)])
    content = bytearray(path.read_bytes())
    start = content.index(np.tile(mean, 96).tobytes())
    content[start : start + 96 * 12] = np.tile(mean * np.float32(1.1), 96).tobytes()
    path.write_bytes(content)  # a weight: not part of the structure's digest
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_text())
    for entry in manifest["artefacts"]:
        entry["sha256"] = sha256(tmp_path / "copy" / entry["path"])
    (tmp_path / "copy" / "manifest.json").write_text(json.dumps(manifest))
    results = {result.path.suffix: result.validation for result in validate(tmp_path / "copy").artefacts}
    assert [results[suffix].verdict for suffix in (".tflite", ".pte")] == ["failed", "passed"]
    assert "SQNR" in results[".tflite"].reason
