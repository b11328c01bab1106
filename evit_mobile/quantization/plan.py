"""From an exported program and calibration images to a QuantPlan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter, Node

from calib.observers import Method, Observer, make_observer
from calib.ranges import affine_parameters
from converters.contract import ActivationQuantization, FloatDecision, QuantPlan, WeightQuantization
from converters.quantized_program import WEIGHT_MAX, graph_module
from evit_mobile.quantization.placement import ATEN, Placement, module_path, place

SIGMOID_SCALE, SIGMOID_ZERO_POINT = 1 / 256, -128
"""The only output parameters that int8 sigmoid kernels accept."""


def make_plan(
    program: ExportedProgram,
    images: Iterable[Tensor],
    *,
    method: Method = Method.MSE,
    protected: frozenset[str] = frozenset(),
) -> QuantPlan:
    """Plan for `program`, with ranges observed on `images`, each of the program's input shape (1, 3, H, W).

    Raises DataError when a tensor is not finite on some image.
    """
    module = graph_module(program)
    placement = place(module, protected)
    observers = observe(module, placement.groups, images, method)
    activations = []
    for group, observer in zip(placement.groups, observers, strict=True):
        scale, zero_point = _group_parameters(group, observer)
        activations += [
            ActivationQuantization(tensor=node.name, module=module_path(node), scale=scale, zero_point=zero_point)
            for node in group
        ]
    weights = [
        WeightQuantization(
            tensor=str(parameter.target),
            module=module_path(reader),
            scales=weight_scales(module.get_parameter(str(parameter.target))),
        )
        for parameter, reader in placement.weights
    ]
    return QuantPlan(activations=tuple(activations), weights=tuple(weights), floats=float_decisions(placement))


def float_decisions(placement: Placement) -> tuple[FloatDecision, ...]:
    """The plan's account of what stays float."""
    return tuple(
        FloatDecision(tensor=node.name, module=module_path(node), operation=str(node.target), reason=reason)
        for node, reason in placement.floats
    )


def observe(
    module: GraphModule, groups: tuple[tuple[Node, ...], ...], images: Iterable[Tensor], method: Method
) -> list[Observer]:
    """One observer per group, which has seen every tensor of the group on every image."""
    observers = [make_observer(method, group[0].name) for group in groups]
    watched = {node: observer for group, observer in zip(groups, observers, strict=True) for node in group}

    class Watcher(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if n in watched:
                watched[n].observe(value)
            return value

    watcher = Watcher(module)
    with torch.no_grad():
        for image in images:
            watcher.run(image)
    return observers


def _group_parameters(group: tuple[Node, ...], observer: Observer) -> tuple[float, int]:
    if any(node.target is ATEN.sigmoid.default for node in group):
        return SIGMOID_SCALE, SIGMOID_ZERO_POINT
    low, high = observer.range()
    return affine_parameters(low, high)


def weight_scales(weight: Tensor) -> tuple[float, ...]:
    """Symmetric per-output-channel scales (O,) of a weight (O, ...) that cover its largest value."""
    peak = weight.detach().flatten(1).abs().amax(1).double().numpy()
    scales = np.maximum(peak, np.finfo(np.float32).tiny * WEIGHT_MAX) / WEIGHT_MAX
    return tuple(float(np.float32(scale)) for scale in scales)
