"""ReLU attention's deployment form: the same function, and no softmax."""

from __future__ import annotations

import pytest
import torch

from evit_mobile.models.relu_attention import ReluCascadedAttention
from evit_mobile.rewrites import rewrite
from evit_mobile.rewrites.apply import relative_error
from tests.evit_mobile.rewrites.rewritten import (
    operations,
    with_relu_attention,
)


@pytest.mark.parametrize("size", [(96, 96), pytest.param((224, 160), marks=pytest.mark.slow)])
def test_the_function_is_kept_on_other_images(size: tuple[int, int]) -> None:
    model, probe = with_relu_attention(size)
    rewritten, log = rewrite(model, probe)
    other = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert relative_error(rewritten(other), model(other)) < 1e-4
    assert {step.name: step.places for step in log.steps}["relu_attention"] == 6


def test_attention_contributes_to_the_outputs_compared() -> None:
    """Without that the test above would not notice a wrong attention."""
    model, probe = with_relu_attention()
    model.requires_grad_(False)
    expected = model(probe)
    for attention in (m for m in model.modules() if isinstance(m, ReluCascadedAttention)):
        attention.dws[0].bn.bias.add_(1.0)
    assert relative_error(model(probe), expected) > 1e-3


def test_structure() -> None:
    model, probe = with_relu_attention((224, 224))
    rewritten, _ = rewrite(model, probe)
    assert not any(isinstance(module, ReluCascadedAttention) for module in rewritten.modules())
    found = operations(rewritten, probe)
    for gone in ("softmax", "split", "chunk", "index", "permute", "expand", "batch_norm"):
        assert not any(gone in operation for operation in found), gone
