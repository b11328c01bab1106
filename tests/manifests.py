"""Manifests that say as little as a manifest may, for tests that write or read one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from calib.preprocess import Preprocess
from converters.contract import (
    ActivationQuantization,
    FloatDecision,
    Layout,
    Precision,
    QuantPlan,
    TensorSpec,
    WeightQuantization,
)
from evit_mobile.findings import Validation, Verdict
from evit_mobile.record.manifest import ArtefactEntry, CalibrationEntry, InputEntry, Manifest, ModelEntry, ToolEntry
from evit_mobile.strict_json import read

PASSED = Validation(verdict=Verdict.PASSED, reason="all thresholds met", images=256, runtime="a runtime", on="judge")
MODEL = ModelEntry(
    name="tiny",
    family="msra",
    params=1,
    macs=1,
    num_classes=10,
    weights="file",
    weights_sha256="0" * 64,
    source="tiny.pth",
    origin="timm",
    keys=1,
)
ARTEFACT = ArtefactEntry(
    format="tflite",
    precision=Precision.INT8,
    path="tiny.int8.tflite",
    bytes=1000,
    sha256="0" * 64,
    toolchain={},
    inputs=(TensorSpec(name="image", shape=(1, 3, 32, 32), dtype="float32", layout=Layout.NCHW),),
    outputs=(TensorSpec(name="logits", shape=(1, 10), dtype="float32"),),
    validations=(PASSED,),
    convert_s=1.0,
)


def input_of(preprocess: Preprocess) -> InputEntry:
    """The "input" of images preprocessed like that."""
    entry: InputEntry = read(InputEntry, {"shape": (1, 3, *preprocess.size), **preprocess.to_manifest()})
    return entry


MANIFEST = Manifest(
    model=MODEL,
    input=input_of(Preprocess(size=(32, 32))),
    labels=(),
    artefacts=(ARTEFACT,),
    calibration=CalibrationEntry(digest="0" * 64, images=0, source="photos", seed=0),
    tool=ToolEntry(version="0"),
)


def artefact(path: str, **changed: Any) -> ArtefactEntry:
    return replace(ARTEFACT, path=path, **changed)


def of_model(*artefacts: ArtefactEntry, **changed: Any) -> Manifest:
    """A manifest of `artefacts`, its model `changed`."""
    return replace(MANIFEST, model=replace(MODEL, **changed), artefacts=artefacts)


SCHEMA_1 = Path(__file__).parent / "data" / "manifest-schema-1.json"
"""As evit-mobile wrote it before schema 2: m0 in int8 for two formats, then in fp16 for Core ML; its plan cut short."""

PLAN = QuantPlan(
    activations=(ActivationQuantization(tensor="relu", module="stem", scale=0.5, zero_point=-128),),
    weights=(WeightQuantization(tensor="stem.weight", module="stem", scales=(0.1, 0.2)),),
    floats=(FloatDecision(tensor="softmax", module="head", operation="softmax", reason="no int8 kernel"),),
)
