"""Convolutions made of parts of others."""

from __future__ import annotations

import torch
from torch import nn

from evit_mobile.rewrites.convolutions import convolution_like, select_outputs


def test_selected_outputs_are_those_of_the_whole_in_that_order() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 8, 3, 2, 1).eval()
    channels, x = torch.tensor([5, 0, 7]), torch.randn(2, 6, 9, 7)
    with torch.no_grad():
        assert torch.allclose(select_outputs(conv, channels, 1)(x), conv(x)[:, channels], atol=1e-6)


def test_a_convolution_without_bias_stays_one() -> None:
    conv = nn.Conv2d(4, 4, 3, groups=4, bias=False)
    made = convolution_like(conv, conv.weight, None, 4)
    assert (made.bias, made.groups, made.kernel_size) == (None, 4, (3, 3))
    assert torch.equal(made.weight, conv.weight)
