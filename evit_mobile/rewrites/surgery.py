"""Replacing submodules by type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

Old = TypeVar("Old", bound=nn.Module)


def replace_modules(model: nn.Module, old_type: type[Old], make: Callable[[Old], nn.Module]) -> int:
    """Replaces every submodule that is exactly an `old_type` by `make(submodule)`; returns how many there were."""
    places = [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if type(child) is old_type
    ]
    for parent, name, child in places:
        setattr(parent, name, make(child))
    return len(places)


def captured_inputs(model: nn.Module, kind: type[nn.Module], probe: Tensor) -> dict[nn.Module, Tensor]:
    """The feature map (B, C, H, W) that every submodule of `kind` receives when the model sees `probe`."""
    inputs: dict[nn.Module, Tensor] = {}

    def record(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        inputs[module] = arguments[0]

    handles = [module.register_forward_pre_hook(record) for module in model.modules() if type(module) is kind]
    try:
        if handles:
            model(probe)
    finally:
        for handle in handles:
            handle.remove()
    return inputs
