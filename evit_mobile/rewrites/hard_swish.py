"""Hard swish as x * relu6(x + 3), without the division by 6 (B variants, int8 only).

XNNPACK has no int8 hard swish, but it has int8 addition with a fused ReLU6 and int8 multiplication. What is computed is
6 * hardswish(x); the factor 1/6 is folded into the weights of the layers that read it, so no third operation is needed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evit_mobile.errors import RewriteError
from evit_mobile.models.layers import ConvNormAct
from evit_mobile.models.mit import ClassifierHead, DSConv, EfficientViTMit, MBConv, ResidualBlock

FACTOR = 6.0


class SixfoldHardSwish(nn.Module):
    """6 * hardswish(x) = x * relu6(x + 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("three", torch.full((1, 1, 1, 1), 3.0))

    three: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return x * nn.functional.relu6(x + self.three)


def spell_hard_swish(model: nn.Module, _probe: Tensor) -> int:
    """Rewrites every hard swish whose readers are known, in place; returns how many."""
    if not isinstance(model, EfficientViTMit):
        return 0
    places = _spell_stem(model)
    for module in model.modules():
        if isinstance(module, MBConv):
            places += _spell(module.inverted_conv, [module.depth_conv.conv])
            places += _spell(module.depth_conv, [module.point_conv.conv])
        elif isinstance(module, ClassifierHead):
            places += _spell(module.in_conv, [module.classifier[0]])
    return places


def _spell_stem(model: EfficientViTMit) -> int:
    """The stem's first activation also runs through residual shortcuts: the whole stem stream is carried sixfold."""
    first, *residuals = model.stem
    if not isinstance(first, ConvNormAct) or not isinstance(first.act, nn.Hardswish):
        return 0
    blocks = [residual.main for residual in residuals if isinstance(residual, ResidualBlock)]
    after = next(module for module in model.stages.modules() if isinstance(module, MBConv))
    readers: list[nn.Module] = [after.inverted_conv.conv]
    places = 0
    for block in blocks:
        assert isinstance(block, DSConv)
        readers.append(block.depth_conv.conv)
        _scale(block.point_conv.conv, FACTOR, with_bias=True)
        places += _spell(block.depth_conv, [block.point_conv.conv])
    return places + _spell(first, readers)


def _spell(layer: ConvNormAct, readers: list[nn.Module]) -> int:
    if not isinstance(layer.act, nn.Hardswish):
        return 0
    layer.act = SixfoldHardSwish()
    for reader in readers:
        _scale(reader, 1 / FACTOR, with_bias=False)
    return 1


def _scale(layer: nn.Module, factor: float, *, with_bias: bool) -> None:
    """Multiplies a layer's weight, and its bias if its output is to be scaled rather than its input."""
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        raise RewriteError(
            got=f"a {type(layer).__name__} after a hard swish",
            allowed="a convolution or a linear layer",
            do="report this",
        )
    with torch.no_grad():
        layer.weight.mul_(factor)
        if with_bias and layer.bias is not None:
            layer.bias.mul_(factor)
