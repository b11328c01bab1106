"""A private copy of a module whose weights are plain: no wrappers inside, no parametrizations, norms or masks computed on the way."""

from __future__ import annotations

import copy
import sys
from typing import Any

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.nn.utils import prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from evit_mobile.errors import CheckpointError


def baked(module: nn.Module) -> nn.Module:
    """A copy of `module` in fp32 and eval mode on the CPU; `module` is left as it is. Raises CheckpointError."""
    kind = without_classes(module)
    if kind is not None:
        raise CheckpointError(
            got=f"{kind} ({type(module).__name__})",
            allowed="a module of Python classes, which can be looked into",
            do="pass the module that it was made of, or its state_dict as a file",
        )
    try:
        private = copy.deepcopy(module, computed_tensors(module)).float().cpu().eval().requires_grad_()
        private = unwrapped(private)
        with torch.inference_mode(False), torch.enable_grad():
            for child in list(private.modules()):
                bake(child)
        private.requires_grad_(False)
    except Exception as error:  # the user's classes may fail in any way
        raise CheckpointError(
            got=f"a {type(module).__name__} that cannot be copied: {error}",
            allowed="a module that copy.deepcopy takes",
            do="save its state_dict and load that as a file",
        ) from error
    return private


def without_classes(module: nn.Module) -> str | None:
    """What a module is that its own classes no longer run; None for any other."""
    if isinstance(module, torch.jit.ScriptModule):
        return "a TorchScript module"
    exported = isinstance(module, GraphModule) and "eval" in vars(module)  # torch.export leaves one mode
    return "an exported program" if exported else None


def computed_tensors(module: nn.Module) -> dict[int, Any]:
    """Copies of the tensors that masks and weight norms keep beside their parameters, by identity: deepcopy refuses those that
    autograd computed.
    """
    kept = (value for child in module.modules() for value in vars(child).values() if isinstance(value, Tensor))
    return {id(value): value.detach().clone() for value in kept if not value.is_leaf}


def unwrapped(module: nn.Module) -> nn.Module:
    """`module` without the wrappers around it, or around any part of it, that only say how to run it."""
    while (inner := wrapped_by(module)) is not None:
        module = inner
    for name, child in list(module.named_children()):
        plain = unwrapped(child)
        if plain is not child:
            setattr(module, name, plain)
    return module


def wrapped_by(module: nn.Module) -> nn.Module | None:
    """What torch.compile or a parallel wrapper runs; None for any other module."""
    inner: nn.Module
    dynamo = sys.modules.get(
        "torch._dynamo"
    )  # what compiles a module has imported it; here alone that would take a second
    if dynamo is not None and isinstance(module, dynamo.OptimizedModule):
        inner = module._orig_mod
        return inner
    if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
        inner = module.module
        return inner
    return None


def bake(module: nn.Module) -> None:
    """Makes each weight of `module`, whose parameters have gradients, the parameter that its parametrization, norm or mask gives."""
    if parametrize.is_parametrized(module):
        assert isinstance(module.parametrizations, nn.ModuleDict)
        own_class(module)
        for name in list(module.parametrizations):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    for hook in list(module._forward_pre_hooks.values()):
        if isinstance(hook, WeightNorm):
            remove_weight_norm(module, hook.name)
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(module, hook.name)
        elif isinstance(hook, prune.BasePruningMethod):
            prune.remove(module, hook._tensor_name)  # type: ignore[no-untyped-call]  # torch's own


def own_class(module: nn.Module) -> None:
    """Gives `module` a class like its own: parametrizations are properties of a class that deepcopy leaves with the user's module."""
    kind = type(module)
    namespace = {name: value for name, value in vars(kind).items() if name not in ("__dict__", "__weakref__")}
    module.__class__ = type(kind.__name__, kind.__bases__, namespace)
