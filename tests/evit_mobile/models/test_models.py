"""Our modules against timm's, with the same randomised weights: all 13 variants, square and rectangular input. Microsoft's at their native
size; MIT's have none, and theirs is a small one.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_mobile.models import build_model
from evit_mobile.reference import randomise
from evit_mobile.spec import CLASSIFIERS, find_spec
from tests.oracles import timm_model

SIDES = {"msra": 224, "mit": 128}
QUICK = ("efficientvit_m0", "efficientvit_b0")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CLASSIFIERS]
)
def test_outputs_equal_timms(name: str) -> None:
    family = find_spec(name).family
    images = torch.randn(2, 3, SIDES[family], SIDES[family], generator=torch.Generator().manual_seed(1))
    with torch.device("meta" if family == "mit" else "cpu"):  # l3's own weights would be drawn for nothing
        theirs = timm_model(name, num_classes=10)
    expected, actual = both(name, (SIDES[family],) * 2, theirs, images)
    assert (expected[0] - expected[1]).abs().max() > 0.01  # the network depends on its input
    assert (actual - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))


def both(
    name: str, size: tuple[int, int], theirs: nn.Module, images: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of timm's module and of ours, with the same random weights."""
    torch.manual_seed(0)
    ours = build_model(find_spec(name, num_classes=10, size=size))
    randomise(ours, size)
    theirs.load_state_dict(ours.state_dict(), assign=True)
    with torch.no_grad():
        return theirs.eval()(images), ours(images)


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_m2", "efficientvit_b0"])
@pytest.mark.parametrize("size", [(96, 96), (192, 256), (256, 192)])
def test_other_sizes_equal_timms(name: str, size: tuple[int, int]) -> None:
    options = {"img_size": size} if name.startswith("efficientvit_m") else {}
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    expected, actual = both(name, size, timm_model(name, num_classes=10, **options), images)
    assert (actual - expected).abs().max() <= 1e-4 * max(1.0, float(expected.abs().max()))
