"""Carries a plan over to another form of the same model, so that calibration images are read once for both."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from converters.contract import QuantPlan
from converters.lowering.program import module_path
from converters.quantized_program import shared_module
from evit_mobile.errors import RewriteError
from evit_mobile.quantization.placement import Placement, place
from evit_mobile.quantization.plan import float_decisions


def transfer_plan(
    plan: QuantPlan, source: ExportedProgram, target: ExportedProgram, protected: frozenset[str] = frozenset()
) -> QuantPlan:
    """`plan`, made for `source` with the same `protected`, for `target`: another form that differs in float operations only.

    Raises RewriteError when the int8 tensors of the two do not correspond one to one, in order, module and operation, or when
    their weights are not equal.
    """
    modules = shared_module(source), shared_module(target)
    placements = place(modules[0], protected), place(modules[1], protected)
    _require_equal_weights(modules, placements)
    names = _corresponding(*placements)
    activations = tuple(replace(activation, tensor=names[activation.tensor]) for activation in plan.activations)
    return replace(plan, activations=activations, floats=float_decisions(placements[1]))


def _corresponding(source: Placement, target: Placement) -> dict[str, str]:
    """From the name of each int8 tensor of `source` to its name in `target`."""
    before, after = ([[_signature(node) for node in group] for group in placed.groups] for placed in (source, target))
    if before != after:
        raise _unlike(next((pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]), "their number"))
    pairs = zip(source.groups, target.groups, strict=True)
    return {old.name: new.name for groups in pairs for old, new in zip(*groups, strict=True)}


def _signature(node: Node) -> tuple[str, str, torch.Size]:
    return module_path(node), str(node.target), node.meta["val"].shape


def _require_equal_weights(modules: tuple[GraphModule, GraphModule], placements: tuple[Placement, Placement]) -> None:
    before, after = ([str(parameter.target) for parameter, _ in placed.weights] for placed in placements)
    if before != after:
        raise _unlike(sorted(set(before) ^ set(after)) or "the order of their weights")
    for name in before:
        if not torch.equal(*(module.get_parameter(name) for module in modules)):
            raise _unlike(name)


def _unlike(where: object) -> RewriteError:
    return RewriteError(
        got=f"two forms of one model whose int8 parts differ in {where}",
        allowed="forms that differ in float operations only",
        do="report this model",
    )
