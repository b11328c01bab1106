"""ConvertRequest: a value that checks itself, is saved, and is replayed; refusals come before any work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import evit_mobile
from converters.contract import Precision
from evit_mobile.commands import convert as pipeline
from evit_mobile.errors import UsageError
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets
from evit_mobile.request.request import saved_request
from evit_mobile.spec import Variation, find_spec
from tests.evit_mobile.test_cli import run

FULL = ConvertRequest.of(
    "efficientvit_b0",
    weights=Path("w.pth"),
    num_classes=10,
    sizes=[(224, 224), (192, 256)],
    formats=["coreml", "tflite"],
    precision="int8",
    max_drop=1,
    calib=Path("photos"),
    seed=3,
    cache=False,
    observer="percentile",
    image_input=True,
    golden=0,
    preprocess="torchvision",
    mean=[0.5],
    std=(0.5, 0.25, 0.5),
    crop_pct=1,
    interpolation="bilinear",
    resize="squash",
    out=Path("release"),
)


@pytest.mark.parametrize("request_", [ConvertRequest(), FULL], ids=["defaults", "full"])
def test_a_request_is_itself_again_from_json(request_: ConvertRequest) -> None:
    assert ConvertRequest.from_json(json.loads(json.dumps(request_.to_json()))) == request_


def test_python_values_become_those_of_the_fields() -> None:
    assert (FULL.precision, FULL.weights, FULL.max_drop, FULL.out) == (Precision.INT8, "w.pth", 1.0, "release")
    assert ConvertRequest.of(variation="relu-attention").variation is Variation.RELU_ATTENTION
    spec = find_spec("efficientvit_m1", size=(192, 192), num_classes=7)
    asked = ConvertRequest.of(spec, size=None)
    assert (asked.model, asked.size, asked.num_classes) == ("efficientvit_m1", (192, 192), 7)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"formts": ["tflite"]}, "formts"),
        ({"precision": "int9"}, "'int9' as precision .* int8-full"),
        ({"seed": "0"}, "seed"),
        ({"size": [224]}, "size"),
        ({"size": (224, 100)}, "multiples of 32"),
        ({"formats": "tflite"}, "formats"),
        ({"golden": -1}, "--golden"),
        ({"max_drop": 1.0, "precision": "fp16"}, "--max-drop"),
        ({"recovery_steps": 5}, "--recovery-steps"),
        ({"float_io": True}, "--float-io"),
        ({"observer": "median"}, "'median' as observer .* entropy"),
        ({"observer": "entropy", "precision": "int8-weights"}, "--observer entropy .* observes no ranges"),
        ({"variation": "relu-attention", "precision": "int8-full"}, "--relu-attention"),
    ],
)
def test_a_wrong_request_cannot_be_made(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        evit_mobile.convert(**options)


def test_a_live_module_is_recorded_and_asked_for_again() -> None:
    module = nn.Sequential()
    asked = ConvertRequest.of(module, precision="fp32")
    assert asked.module is module
    saved = json.loads(json.dumps(asked.to_json()))
    assert saved["model"] == "module"
    with pytest.raises(UsageError, match="the module again, or its weights"):
        ConvertRequest.from_json(saved)
    again = ConvertRequest.from_json({**saved, "model": "efficientvit_m0", "weights": "m0.pth"})
    assert (again.model, again.precision) == ("efficientvit_m0", Precision.FP32)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 1}', '{"request": []}'])
def test_a_file_without_a_request_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="--request"):
        saved_request(path)


def test_what_is_refused_is_refused_before_weights_are_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "load_reference", lambda *_, **__: pytest.fail("weights were loaded"))
    for options in ({"formats": ["tflit"]}, {"formats": ["tflite"], "ios": 17}, {"delegate": "qnn"}):
        with pytest.raises(Exception, match="allowed"):
            evit_mobile.convert(out=tmp_path, **options)


@pytest.mark.slow
def test_a_conversion_is_replayed_byte_by_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = ("--format", "tflite", "--fp32", "--size", "64", "--golden", "0", "--seed", "5")
    assert run(monkeypatch, "convert", *arguments, "--out", str(first)) == 0
    assert run(monkeypatch, "convert", "--request", str(first / "manifest.json"), "--out", str(second)) == 0
    before, after = (json.loads((folder / "manifest.json").read_text()) for folder in (first, second))
    assert after["request"] == {**before["request"], "out": str(second)}
    assert [entry["sha256"] for entry in after["artefacts"]] == [entry["sha256"] for entry in before["artefacts"]]


def test_16_bits_of_weights_are_refused_by_name_and_their_observer_too() -> None:
    with pytest.raises(UsageError, match=r"a16w16.*convolutions.*--a16w8"):
        ConvertRequest.of(precision="a16w16")
    with pytest.raises(
        UsageError, match=r"--observer entropy with precision a16w8, which always takes the whole range"
    ):
        ConvertRequest.of(precision="a16w8", observer="entropy")
    with pytest.raises(UsageError, match=r"a16w8 for format tflite"):
        usable_targets(ConvertRequest.of(precision="a16w8", formats=["tflite"]))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "fp32"}, "--soc with --int8, --int8-full or --a16w8"),
        ({"formats": ["executorch"]}, "--soc with --format tflite or onnx"),
    ],
)
def test_what_is_not_compiled_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ConvertRequest.of(socs=["SM8650"], **options)
