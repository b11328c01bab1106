"""Every variant becomes a Core ML package whose written bytes, evaluated, stay close to the reference: fp16 and int8.

Weights and batch norms are random. The norms' statistics are those of the bundled calibration images, as a trained network's
are of the images it sees: with those of noise a random network meets activations a hundred times the usual ones, which no
arithmetic of 11 bits follows. The larger variants take minutes: EVIT_MOBILE_LARGE=1 adds them. docs/coreml.md has all figures.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.registry import find_target
from evit_mobile.images.data import Images, calibration_images, held_out_images, preprocess_for
from evit_mobile.metrics import sqnr_db
from evit_mobile.reference import Reference, load_reference
from evit_mobile.spec import CLASSIFIERS
from evit_mobile.thresholds import THRESHOLDS
from tests.evit_mobile.coreml_package import written

SIZE = (96, 96)
CALIBRATION, HELD_OUT = 64, 16
QUICK = ("efficientvit_m0", "efficientvit_m1", "efficientvit_b0", "efficientvit_b1", "efficientvit_l0")
with_large = pytest.mark.skipif("EVIT_MOBILE_LARGE" not in os.environ, reason="minutes; EVIT_MOBILE_LARGE=1 runs it")


def marks(name: str) -> list[pytest.MarkDecorator]:
    return [] if name in QUICK else [with_large]


CASES = [
    pytest.param(name, precision, marks=marks(name))
    for name in (*CLASSIFIERS, "efficientvit_l0")
    for precision in (Precision.FP16, Precision.INT8)
]


@torch.no_grad()
def settle(module: nn.Module, images: Images) -> None:
    """Gives the norms of feature maps the statistics of `images`."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the one batch below
        norm.train()
    module(torch.from_numpy(images.first(len(images))))
    module.eval()


@lru_cache(maxsize=1)
def random_reference(name: str) -> tuple[Reference, Images, Images]:
    """A variant with random weights, images to calibrate and images to judge it with: once for the precisions of a variant."""
    reference = load_reference(name, weights="random", size=SIZE)
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0, CALIBRATION)
    settle(reference.module, calibration)
    return reference, calibration, held_out_images(None, calibration, preprocess, 0, HELD_OUT)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "precision"), CASES)
def test_written_packages_follow_the_reference(name: str, precision: Precision, tmp_path: Path) -> None:
    reference, calibration, held_out = random_reference(name)
    path = tmp_path / "p.mlpackage"
    _, prepared = written(reference, calibration, held_out, precision, path)
    achieved = sqnr_db(find_target("coreml").load(path)(held_out.first(HELD_OUT)), prepared.stages[0][1])
    print(f"{name} {precision}: {achieved:.1f} dB")
    assert achieved >= THRESHOLDS[precision].min_sqnr_db
