"""The outermost module that has a function of its own."""

from __future__ import annotations

import re

from torch import nn

from evit_mobile.errors import CheckpointError

DEFAULT_FORWARDS = ("torch.nn.", "lightning.", "pytorch_lightning.")
"""Packages whose containers have a forward only in name."""


def outermost(module: nn.Module, prefix: str, training: re.Pattern[str]) -> tuple[nn.Module, str, tuple[str, ...]]:
    """The outermost module around the network at `prefix` ("model.backbone." or "") whose class says what its forward does, the prefix in
    it, and notes about what was left out: parameters whose names match `training`.

    Raises CheckpointError where a container without a forward holds layers beside the one with the network: nothing says how they
    belong together.
    """
    notes: tuple[str, ...] = ()
    while prefix and not has_forward(module):
        name, _, prefix = prefix.partition(".")
        left = [key for key, _ in module.named_parameters() if not key.startswith(f"{name}.")]
        unexplained = [key for key in left if not training.fullmatch(key)]
        if unexplained:
            raise CheckpointError(
                got=f"a {type(module).__name__} without a forward of its own, with {', '.join(unexplained[:4])} beside {name!r}",
                allowed="one module, or a forward that says what is done with these",
                do="pass the network alone, or a module whose forward calls all of it",
            )
        notes += (f"left out {', '.join(left[:4])}: of the training, not of the network",) if left else ()
        module = module.get_submodule(name)
    return module, prefix, notes


def has_forward(module: nn.Module) -> bool:
    """Whether the module's class says what it computes."""
    definer = next(kind for kind in type(module).__mro__ if "forward" in vars(kind))
    if definer is nn.Module or isinstance(module, nn.ModuleList | nn.ModuleDict):
        return False
    return "forward" in vars(module) or not definer.__module__.startswith(DEFAULT_FORWARDS[1:])
