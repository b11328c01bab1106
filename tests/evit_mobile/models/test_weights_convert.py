"""From a checkpoint of each origin to an artefact whose outputs are the origin's, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import tests.oracles as oracles
from converters.registry import find_target
from evit_mobile.commands.convert import convert
from evit_mobile.reference import randomise
from evit_mobile.spec import find_spec

VARIANTS = [f"efficientvit_{variant}" for variant in ("m0", "m2", "m5", "b0", "b1", "b3", "l1", "l2")]
SIZES = {"msra": (224, 224), "mit": (128, 128)}
"""M's native size; MIT's models have none."""
TOLERANCE = 1e-4  # relative
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),  # of the upstream code
]


def original(origin: str, name: str) -> nn.Module:
    """The origin's own module. Its weights are drawn so that its output depends on every layer: with arbitrary statistics a deep
    network forgets its first layers, and could not tell whether they are right.
    """
    torch.manual_seed(0)
    if origin == "timm":
        module = oracles.timm_model(name)
    else:
        module = (oracles.microsoft_model if name.startswith("efficientvit_m") else oracles.mit_model)(name)
    randomise(module, SIZES[find_spec(name).family])
    return module.train().eval()  # refreshes what Microsoft's and timm's attention cache in eval mode


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Few images, so that what takes time is the conversion and not the verdict."""
    pixels = np.random.default_rng(0).integers(0, 256, (16, 64, 64, 3), np.uint8)
    np.savez(tmp_path / "images.npz", images=pixels)
    return tmp_path / "images.npz"


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("origin", ["timm", "upstream"])
def test_the_artefact_computes_what_the_origin_computes(origin: str, name: str, images: Path, tmp_path: Path) -> None:
    theirs, size = original(origin, name), SIZES[find_spec(name).family]
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    conversion = convert(
        formats=["tflite"],
        precision="fp32",
        weights=tmp_path / "weights.pt",
        size=size,
        calib=images,
        allow_few=True,
        out=tmp_path / "out",
    )
    model, (artefact,) = conversion.manifest.model, conversion.manifest.artefacts
    assert (model.name, artefact.validation.verdict) == (name, "passed")
    assert model.weights_sha256
    assert model.keys == len([key for key in theirs.state_dict() if not key.endswith("attention_bias_idxs")])
    runner = find_target("tflite").load(tmp_path / "out" / artefact.path)
    assert relative_error(runner, theirs, size) < TOLERANCE
    with torch.no_grad():
        first_convolution(theirs).weight.mul_(1.01)
    assert (
        relative_error(runner, theirs, size) > TOLERANCE
    )  # a single tensor that differs by a hundredth, at the far end, is seen


def first_convolution(module: nn.Module) -> nn.Conv2d:
    return next(child for child in module.modules() if isinstance(child, nn.Conv2d))


def relative_error(runner: object, theirs: nn.Module, size: tuple[int, int]) -> float:
    assert callable(runner)
    noise = np.random.default_rng(1).standard_normal((2, 3, *size), dtype=np.float32)
    with torch.no_grad():
        return oracles.relative_error(torch.from_numpy(runner(noise)), theirs(torch.from_numpy(noise)))
