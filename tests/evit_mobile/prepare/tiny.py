"""Networks of a few layers in the place of a model, with images for them, and a target that writes nothing down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from calib.datasets import ArrayDataset
from calib.preprocess import Preprocess
from converters.contract import FloatType, Precision, Runner
from evit_mobile.images.data import Images, everything
from evit_mobile.models.mit import LiteMLA
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.reference import Reference
from evit_mobile.spec import find_spec

SIDE, CLASSES = 32, 5


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3))


def network(*, attention: bool = False) -> nn.Module:
    """(B, 3, 32, 32) -> (B, 5), frozen; with linear attention it has a form of its own for fp16."""
    torch.manual_seed(0)
    middle: nn.Module = LiteMLA(16, 8, attention_eps=1e-5, norm_eps=1e-5) if attention else nn.Conv2d(16, 16, 1)
    layers = nn.Conv2d(3, 16, 3, stride=4, padding=1), nn.ReLU(), middle, nn.ReLU(), Mean(), nn.Linear(16, CLASSES)
    return nn.Sequential(*layers).eval().requires_grad_(False)


def photos(count: int, seed: int = 0) -> Images:
    """Noise on tints, so that images differ."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 128, (count, SIDE, SIDE, 3)) + random.integers(0, 128, (count, 1, 1, 3))
    source = ArrayDataset(source="photos", images=pixels.astype(np.uint8))
    return everything(source, Preprocess(size=(SIDE, SIDE)), None)


class Kept:
    """A target that keeps the program itself, and a judge that runs it, `off` by so much of its first logit."""

    name, suffix, runtime, evaluated, several_sizes, takes_pixels = "kept", ".kept", "PyTorch", False, False, False

    def __init__(self, floats: FloatType = FloatType.FP32, off: float = 0.0) -> None:
        self.precisions: Mapping[Precision, FloatType] = dict.fromkeys(Precision, floats)
        self.off = off
        self.programs: list[ExportedProgram] = []

    def lower(self, program: ExportedProgram, *_given: object) -> None:
        self.programs.append(program)

    def load(self, _path: Path) -> Runner:
        module = self.programs[-1].module(check_guards=False)

        def run(images: np.ndarray) -> np.ndarray:
            logits = np.concatenate([module(torch.from_numpy(image[None])).numpy() for image in images])
            logits[:, 0] += self.off
            return logits

        return run


def asked(module: nn.Module, precision: Precision, *targets: Any, **options: Any) -> Preparation:
    """What is asked for of a network."""
    spec = find_spec("efficientvit_m0", size=(SIDE, SIDE), num_classes=CLASSES)
    reference = Reference(spec=spec, module=module, weights="random", source="", origin="random", keys=0, sha256=None)
    wanted = Preparation(
        reference=reference,
        calibration=photos(12),
        held_out=photos(8, seed=1),
        precision=precision,
        targets=targets or (Kept(),),
        cache=False,
    )
    return replace(wanted, **options)
