"""Options of the Core ML package: refused early where they cannot hold, and proven where they can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.preprocess import Preprocess
from converters.coreml.options import OptionError
from converters.coreml.target import CoreMLTarget
from converters.registry import find_target
from evit_mobile.cli.flags import chosen_precision
from evit_mobile.commands.convert import convert
from evit_mobile.commands.validate import validate
from evit_mobile.errors import UsageError
from evit_mobile.interface import with_interface
from evit_mobile.manifest import read_manifest
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets
from tests.evit_mobile.test_cli import run


def request_for(*formats: str, **fields: Any) -> ConvertRequest:
    return ConvertRequest.of(formats=formats, **{"precision": "fp16"} | fields)


def test_only_core_ml_has_an_interface_to_choose() -> None:
    for field in ({"image_input": True}, {"class_output": True}, {"ios": 18}):
        with pytest.raises(UsageError, match="tflite"):
            usable_targets(request_for("tflite", **field))
        usable_targets(request_for("tflite", "coreml", **field))
    usable_targets(request_for("tflite"))


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
    other = find_target("tflite")
    assert with_interface(other, images, preprocess) is other


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
    (entry,) = read_manifest(tmp_path)["artefacts"]
    assert entry["precision"] == precision
    assert entry["inputs"][0]["dtype"] == "image"
    assert conversion.proven
    assert [result.validation.verdict for result in validate(tmp_path).artefacts] == ["passed"]


@pytest.mark.slow
def test_a_classifier_for_an_iphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--format", "coreml", "--fp16", "--size", "96", "--image-input", "--class-output", "--ios", "17")
    assert run(monkeypatch, "convert", *arguments, "--out", str(tmp_path)) in (0, 1)
    (entry,) = read_manifest(tmp_path)["artefacts"]
    assert {output["name"] for output in entry["outputs"]} == {"classLabel", "classLabel_probs", "logits"}
    assert entry["validation"]["sqnr_db"] > 40
