"""From a checkpoint of each origin to an artefact whose outputs are the origin's, end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from torch import nn

from converters.registry import find_target
from evit_mobile.pipeline import convert

VARIANTS = [f"efficientvit_{variant}" for variant in ("m0", "m2", "m5", "b0", "b1", "b3", "l1", "l2")]
TOLERANCE = 1e-4  # relative


def original(origin: str, name: str) -> nn.Module:
    if origin == "timm":
        return oracles.randomise(oracles.timm_model(name))
    if oracles.upstream_folder() is None:
        pytest.skip(f"{oracles.UPSTREAM_VARIABLE} names no folder")
    build = oracles.microsoft_model if name.startswith("efficientvit_m") else oracles.mit_model
    return oracles.randomise(build(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("origin", ["timm", "upstream"])
def test_the_artefact_computes_what_the_origin_computes(origin: str, name: str, tmp_path: Path) -> None:
    theirs = original(origin, name)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    conversion = convert(formats=["tflite"], precision="fp32", weights=tmp_path / "weights.pt", out=tmp_path / "out")
    model, (artefact,) = conversion.manifest["model"], conversion.manifest["artefacts"]
    assert (model["name"], artefact["validation"]["verdict"]) == (name, "passed")
    assert model["weights_sha256"]
    assert model["keys"] == len([key for key in theirs.state_dict() if not key.endswith("attention_bias_idxs")])
    images = np.random.default_rng(1).standard_normal((2, 3, 224, 224), dtype=np.float32)
    ours = torch.from_numpy(find_target("tflite").load(tmp_path / "out" / artefact["path"])(images))
    with torch.no_grad():
        error = oracles.relative_error(ours, theirs(torch.from_numpy(images)))
    print(f"{origin} {name}: {error:.1e}")
    assert error < TOLERANCE
