"""Modules around an EfficientViT, as people write them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evit_mobile.reference import randomise
from tests.oracles import timm_model

SIZE = 64


@functools.cache
def _network(name: str, classes: int) -> nn.Module:
    options = {"img_size": SIZE} if name.endswith("m0") else {}
    model = timm_model(name, num_classes=classes, **options)
    torch.manual_seed(0)
    randomise(model, (SIZE, SIZE))
    return model


def network(name: str = "efficientvit_m0", classes: int = 5) -> nn.Module:
    """timm's model for images of 64x64 with weights drawn at random, such that other images give other outputs; without classes it gives
    its pooled features.
    """
    module = copy.deepcopy(_network(name, classes))
    if not name.endswith("m0"):
        module.pretrained_cfg = {**module.pretrained_cfg, "input_size": (3, SIZE, SIZE)}  # type: ignore[dict-item]  # timm's
    return module


class Around(nn.Module):
    """`forward(self, x)` over modules given by name."""

    def __init__(self, forward: Callable[[Any, Tensor], Any], **modules: nn.Module) -> None:
        super().__init__()
        self.function = forward
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Normalise(nn.Module):
    """(x - mean) / std for each channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...] = (0.485, 0.456, 0.406), std: tuple[float, ...] = (0.229, 0.224, 0.225)):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


@dataclass
class Output:
    """As Hugging Face's models return it."""

    logits: Tensor
    loss: Tensor | None = None


def output_of(module: nn.Module, x: Tensor) -> Tensor:
    """What a wrapper gives for images (B, 3, H, W), one by one: the tensor in whatever it returns. What torch.compile made computes the
    same without being compiled, which takes a dozen seconds.
    """
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        return torch.cat([_tensor(module(image.clone())) for image in torch.split(x, 1)])


def _tensor(output: Any) -> Tensor:
    if isinstance(output, dict):
        output = output["logits"]
    if isinstance(output, Output):
        output = output.logits
    return output[0] if isinstance(output, tuple) else output  # type: ignore[no-any-return]  # what is left is the tensor
