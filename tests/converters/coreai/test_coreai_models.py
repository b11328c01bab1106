"""Whole models in Core AI's own runtime. Opt-in: `make test-coreai`. The larger variants take minutes: EVIT_MOBILE_LARGE=1 adds them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import evit_mobile
from converters.contract import FloatType, Metadata, Precision
from converters.coreai import toolchain
from converters.coreai.prepared import prepared
from converters.coreai.write_worker import known_to_converter, without_warnings
from converters.registry import find_target
from evit_mobile.findings import Verdict
from evit_mobile.images.data import calibration_images, held_out_images, preprocess_for
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.audit import FP16_MAX, audit
from evit_mobile.prepare.preparation import Preparation, export, prepare
from evit_mobile.progress import silent
from evit_mobile.reference import load_reference
from evit_mobile.spec import MODELS
from evit_mobile.validation.verdict import Terms, judge
from tests.evit_mobile.coreml_package import written as coreml_package
from tests.evit_mobile.prepare.test_audit import enlarged
from tests.lowering_helpers import program_of, random_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(toolchain.missing() is not None, reason=f"{toolchain.missing()}"),
]

LEAST_DB = {
    ("efficientvit_m0", "fp32"): 100.0,
    ("efficientvit_b0", "fp32"): 100.0,
    ("efficientvit_m0", "fp16"): 40.0,
    ("efficientvit_b0", "fp16"): 33.0,
    ("efficientvit_m0", "int8"): 27.0,
    ("efficientvit_b0", "int8"): 27.0,
    ("efficientvit_m0", "int8-weights"): 28.0,
    ("efficientvit_b0", "int8-weights"): 28.0,
}
"""What is owed by the bundled models on 256 held-out images."""

SMALL = ("efficientvit_m0", "efficientvit_m1", "efficientvit_b0", "efficientvit_seg_b0_cityscapes", "efficientvit_l0")
VARIANTS = [
    pytest.param(
        name,
        marks=[] if name in SMALL else pytest.mark.skipif("EVIT_MOBILE_LARGE" not in os.environ, reason="minutes each"),
    )
    for name in MODELS
    if name in SMALL or "seg" not in name
]


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8])
@pytest.mark.parametrize("model", ["efficientvit_m0", "efficientvit_b0", "efficientvit_l0"])
def test_classifiers_and_backbones_need_no_second_trace(model: str, precision: Precision) -> None:
    """`run_decompositions` would take a third of the time that writing takes."""
    with without_warnings():
        program = prepared(program_of(model, 64, precision)[0], FloatType.FP16, ())
        assert known_to_converter(program) is program


@pytest.mark.parametrize(("model", "precision"), LEAST_DB)
def test_bundled_models_pass(model: str, precision: str, tmp_path: Path) -> None:
    conversion = evit_mobile.convert(model, formats=["coreai"], precision=precision, out=str(tmp_path), golden=0)
    (entry,) = conversion.manifest.artefacts
    validation = entry.validation
    print(model, precision, entry.bytes, validation.sqnr_db, validation.top1_agreement, entry.convert_s)
    assert validation.verdict == "passed"
    assert validation.images == 256
    assert validation.sqnr_db >= LEAST_DB[model, precision]
    assert validation.top1_agreement >= 0.99


@pytest.mark.parametrize(("precision", "apart_db"), [(Precision.FP16_PALETTE6, 0.5), (Precision.INT8_PALETTE6, 1.0)])
def test_palettes_are_worth_what_they_are_in_core_ml(precision: Precision, apart_db: float, tmp_path: Path) -> None:
    """int8 activations are not the same in both: Core ML's packages leave out some of their codes."""
    reference, target = load_reference("efficientvit_m0"), find_target("coreai")
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, 16)
    held_out = held_out_images(None, calibration, preprocess, 0, 8)
    package, lowered = coreml_package(reference, calibration, held_out, precision, tmp_path / "m0.mlpackage")
    asset = target.lower(lowered.program, precision, tmp_path / "m0.aimodel", Metadata(description="m0"))
    images, expected = held_out.first(8), lowered.stages[0][1]
    core_ai, core_ml = (sqnr_db(find_target(one.format).load(one.path)(images), expected) for one in (asset, package))
    print(precision, asset.bytes, package.bytes, core_ai, core_ml)
    assert abs(core_ai - core_ml) <= apart_db
    assert asset.bytes <= 1.05 * package.bytes


@torch.no_grad()
@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8])
@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_random_weights(name: str, precision: Precision, tmp_path: Path) -> None:
    program, image = program_of(name, 96, precision)
    reference = random_model(name, 96)
    audit(reference, program, [image])
    artefact = find_target("coreai").lower(program, precision, tmp_path / "net.aimodel", Metadata(description=name))
    found = find_target("coreai").load(artefact.path)(image.numpy())
    measured = sqnr_db(found, reference(image).numpy())
    print(name, precision, artefact.bytes, measured)
    assert np.isfinite(found).all()
    assert measured >= (30 if precision is Precision.FP16 else 15)


@torch.no_grad()
def test_attention_that_overflows_passes_rewritten(tmp_path: Path) -> None:
    reference, target = enlarged(100.0), find_target("coreai")
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, 8)
    held_out = held_out_images(None, calibration, preprocess, 0, 32)
    asked = Preparation(
        reference=reference, calibration=calibration, held_out=held_out, precision=Precision.FP16, targets=[target]
    )
    prepared = prepare(asked, silent)[FloatType.FP16]
    assert prepared.audit is not None
    assert prepared.audit.largest.peak > FP16_MAX
    assert prepared.audit.islands == ()

    images, expected = held_out.first(32), prepared.stages[0][1]
    verdicts = []
    for program in (prepared.program, export(reference.module, reference.spec.size)):
        path = tmp_path / f"{len(verdicts)}.aimodel"
        target.lower(program, Precision.FP16, path, Metadata(description="a test"))
        stages = [("reference", expected), ("coreai", target.load(path)(images))]
        terms = Terms(precision=Precision.FP16, half_sums=True)
        verdicts.append(judge(stages, None, target.runtime, terms).verdict)
    assert verdicts == [Verdict.PASSED, Verdict.FAILED]


TERMS = 4096
LAYERS = {
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(TERMS, 8, bias=False)),
    "convolution": lambda: nn.Conv2d(TERMS, 8, 1, bias=False),
}


@torch.no_grad()
@pytest.mark.parametrize("layer", LAYERS)
def test_fp16_adds_up_to_the_bit_as_in_the_evaluator_with_the_same_sums(layer: str, tmp_path: Path) -> None:
    from converters.coreml.evaluator import Evaluator, HalfSums

    torch.manual_seed(0)
    module, image = LAYERS[layer](), torch.randn(1, TERMS, 1, 1)
    program, asset, package = torch.export.export(module, (image,)), tmp_path / "a.aimodel", tmp_path / "a.mlpackage"
    for name, path in (("coreai", asset), ("coreml", package)):
        find_target(name).lower(program, Precision.FP16, path, Metadata(description="sums"))
    found = find_target("coreai").load(asset)(image.numpy())
    same, usual = (Evaluator(package, half_sums=sums)(image.numpy()) for sums in (HalfSums.PRODUCTS, HalfSums.NONE))
    np.testing.assert_array_equal(found, same)
    assert np.array_equal(found, usual) is (layer == "convolution")
