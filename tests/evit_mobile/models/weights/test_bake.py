"""Tensors that a file keeps in parts become whole: what torch's own modules compute with is the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm

from evit_mobile.errors import CheckpointError
from evit_mobile.models import build_model
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.models.weights.bake import bake
from evit_mobile.spec import find_spec

NORMED = "stages.1.blocks.1.main.inverted_conv.conv"
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning", "ignore::DeprecationWarning")


def old_weight_norm(layer: nn.Module) -> None:
    weight_norm(layer)


def pruned(layer: nn.Module) -> None:
    prune.random_unstructured(layer, "weight", amount=0.5)  # type: ignore[no-untyped-call]  # torch's own


WAYS: list[tuple[Callable[[nn.Module], object], str]] = [
    (pruned, "pruning masks"),
    (old_weight_norm, "weight norm"),
    (parametrizations.weight_norm, "weight norm"),
    (spectral_norm, "spectral norm"),
    (parametrizations.spectral_norm, "spectral norm"),
]


def small() -> nn.Module:
    torch.manual_seed(0)
    return build_model(find_spec("efficientvit_b0", num_classes=3))


@pytest.mark.parametrize(("change", "named"), WAYS)
@pytest.mark.parametrize("path", [NORMED, "stem.in_conv.conv", "head.classifier.4"])
@pytest.mark.filterwarnings("ignore")
def test_a_file_of_changed_layers_is_the_model_that_was_saved(
    change: Callable[[nn.Module], object], named: str, path: str, tmp_path: Path
) -> None:
    model = small()
    change(model.get_submodule(path))
    model.eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    loaded = load_checkpoint(tmp_path / "weights.pth")
    assert f"{named} of 1 tensors baked in" in loaded.notes
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(image)
        assert (loaded.module(image) - expected).abs().max() <= 1e-5 * expected.abs().max()


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def test_a_parametrization_of_ones_own_is_refused(tmp_path: Path) -> None:
    model = small()
    parametrize.register_parametrization(model.get_submodule(NORMED), "weight", Doubled())
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="a parametrization of its own") as refusal:
        load_checkpoint(tmp_path / "weights.pth")
    assert f"{NORMED}.weight" in refusal.value.got
    assert "remove_parametrizations" in refusal.value.do


@pytest.mark.parametrize(
    "parts",
    [
        {"a.weight_orig": torch.ones(1000, 1), "a.weight_mask": torch.ones(1, 1000)},
        {"a.weight_orig": torch.ones(1).expand(1 << 40), "a.weight_mask": torch.ones(1).expand(1 << 40)},
        {"a.weight_g": torch.ones(3, 1), "a.weight_v": torch.ones(4, 5)},
        {"a.weight_g": torch.ones(3), "a.weight_v": torch.ones(4, 5)},
        {"a.weight_orig": torch.ones(4, 5), "a.weight_u": torch.ones(4), "a.weight_v": torch.ones(5, 1 << 20)},
    ],
)
def test_parts_that_do_not_belong_together_are_refused_before_they_are_multiplied(parts: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="do not make one tensor"):
        bake(parts)
