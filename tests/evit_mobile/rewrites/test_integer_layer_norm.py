"""Layer norm for integers."""

from __future__ import annotations

import copy

import torch
from torch import nn

from evit_mobile.models.mit import ClassifierHead
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.integer_layer_norm import rewrite_integer_layer_norm
from tests.evit_mobile.rewrites.rewritten import (
    model_and_probe,
)


def test_layer_norm_alone() -> None:
    torch.manual_seed(0)
    model, _ = model_and_probe("efficientvit_b0")
    head = next(module for module in model.modules() if isinstance(module, ClassifierHead))
    norm = head.requires_grad_(False).classifier[1]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    expected = copy.deepcopy(head.classifier)
    rewrite_integer_layer_norm(model.requires_grad_(False), torch.zeros(0))
    x = torch.randn(4, expected[0].in_features) * 30
    assert relative_error(head.classifier[:2](x), expected[:2](x)) < 1e-5
