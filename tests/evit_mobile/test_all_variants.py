"""Every variant on LiteRT and ExecuTorch, fp32 and int8: written, run, accurate, and all of it on the delegate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.export import ExportedProgram

from converters.contract import Metadata, Precision, QuantPlan
from converters.quantized_program import quantize_program
from converters.registry import find_target
from evit_mobile.metrics import sqnr_db
from evit_mobile.models import build_model
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import automatic
from evit_mobile.quantization.automatic import logits_of, protect_to_floor
from evit_mobile.quantization.corrections.choose import with_helpful_corrections
from evit_mobile.quantization.observe import observe
from evit_mobile.quantization.plan import candidates, plan_from
from evit_mobile.reference import randomise
from evit_mobile.rewrites import rewrite
from evit_mobile.spec import CLASSIFIERS, find_spec

SIZES = {"msra": (224, 224), "mit": (64, 64)}
"""M's native size; MIT's models have no size of their own, and theirs is a small one, so that L3 takes seconds."""

LEAST_DB = {Precision.FP32: 80.0, Precision.INT8: 15.0}
IMAGES, CALIBRATING, JUDGING = 32, 12, 8
RANKING = 2
"""Images that tell which modules of a random model harm most."""


def default_plan(program: ExportedProgram, images: Sequence[Tensor]) -> QuantPlan:
    """What `convert --int8` decides, modules left float included where a random model needs it."""
    observations = observe(program, candidates(program), lambda start: images[start:])
    protection = protect_to_floor(program, observations, images, print)
    return with_helpful_corrections(program, plan_from(program, observations, protection.protected), images, print)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_variant_runs_on_one_delegate(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automatic, "HARM_IMAGES", RANKING)
    torch.manual_seed(0)
    size = SIZES[find_spec(name).family]
    model = build_model(find_spec(name, size=size, num_classes=10)).eval()
    randomise(model, size)
    images = torch.randn(IMAGES, 3, *size, generator=torch.Generator().manual_seed(1)).split(1)
    calibrating, judging = images[:CALIBRATING], images[-JUDGING:]
    expected = logits_of(model, judging)
    program = export(rewrite(model, torch.cat(images[:2]))[0], size)
    del model
    programs = {Precision.FP32: program, Precision.INT8: quantize_program(program, default_plan(program, calibrating))}
    for precision, lowerable in programs.items():
        for target in (find_target("tflite"), find_target("executorch")):
            path = tmp_path / f"model.{precision}{target.suffix}"
            target.lower(lowerable, precision, path, Metadata(description="test"))
            actual = target.load(path)(np.concatenate([image.numpy() for image in judging]))
            assert sqnr_db(actual, expected) > LEAST_DB[precision], (target.name, precision)
            delegation = target.inspect(path).delegation
            assert delegation is not None
            assert (delegation.partitions, delegation.fallback) == (1, ()), (target.name, precision)
            path.unlink()
