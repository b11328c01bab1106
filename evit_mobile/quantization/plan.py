"""From an exported program and calibration images to a QuantPlan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from calib.methods import Method
from calib.ranges import Range, affine_parameters
from converters.contract import INT8, ActivationQuantization, FloatDecision, Precision, QuantPlan, WeightQuantization
from converters.lowering.program import module_path
from converters.quantized_program import shared_module
from evit_mobile.quantization.integer_placement import place_everything
from evit_mobile.quantization.integer_products import symmetric_groups
from evit_mobile.quantization.integer_ranges import (
    UNIT_PARAMETERS,
    Group,
    Parameters,
    has_fixed_parameters,
    integer_parameters,
)
from evit_mobile.quantization.observe import Observations, observe
from evit_mobile.quantization.placement import Placement, place
from evit_mobile.quantization.scales import half_scale, weight_scales, with_room_for_biases

WIDE_BITS = 16
"""Of activations in the profile a16w8."""
SILENT: Parameters = (2.0**-15, -(2**15))
"""Of a tensor that is always 0, in 16 bits: Hexagon's emulator computes its layer wrongly with a scale of 1 (8 dB instead of 53)."""

WIDE_UNIT: Parameters = (2.0**-16, -(2**15))
"""Of what a sigmoid gives, in 16 bits: Hexagon's codes are these whatever the file says, which misleads who reads them elsewhere."""

Choice = Callable[[Group, Callable[[], Range], Mapping[Node, Parameters]], Parameters]
"""Parameters of tensors that share one scale, from what was observed of them and the parameters of the tensors before them."""


def make_plan(
    program: ExportedProgram,
    images: Iterable[Tensor],
    *,
    profile: Precision = Precision.INT8,
    method: Method = Method.MSE,
    protected: frozenset[str] = frozenset(),
) -> QuantPlan:
    """Plan for `program` in one of the int8 profiles, with ranges observed on `images`, each of the program's input shape
    (1, 3, H, W). The profile int8-weights observes nothing.

    Raises DataError when a tensor is not finite on some image.
    """
    names = candidates(program, profile)
    observations = observe(program, names, lambda start: islice(images, start, None), method)
    return plan_from(program, observations, protected, profile)


def candidates(program: ExportedProgram, profile: Precision = Precision.INT8) -> list[str]:
    """Every tensor of `graph_module(program)` that is int8 when nothing is protected; protecting modules adds none."""
    placement = placement_for(profile, shared_module(program), frozenset())
    return [node.name for group in placement.groups for node in group]


def plan_from(
    program: ExportedProgram,
    observations: Observations,
    protected: frozenset[str] = frozenset(),
    profile: Precision = Precision.INT8,
) -> QuantPlan:
    """Plan for `program` from what its `candidates` looked like."""
    module = shared_module(program)
    placement = placement_for(profile, module, protected)
    if profile is Precision.INT8_FULL:
        free = tensor_parameters(placement.groups, observations, integer_parameters)
        symmetric = symmetric_groups(module.graph.nodes, placement.groups, free)
        choose: Choice = partial(integer_parameters, symmetric=symmetric)
    else:
        choose = wide_parameters if profile is Precision.A16W8 else group_parameters
    bits = WIDE_BITS if profile is Precision.A16W8 else INT8.bits
    known = tensor_parameters(placement.groups, observations, choose)
    activations = [
        ActivationQuantization(
            tensor=node.name, module=module_path(node), scale=scale, zero_point=zero_point, bits=bits
        )
        for node, (scale, zero_point) in known.items()
    ]
    weights = [
        WeightQuantization(
            tensor=str(parameter.target),
            module=module_path(reader),
            scales=weight_scales(module.get_parameter(str(parameter.target))),
        )
        for parameter, reader in placement.weights
    ]
    plan = QuantPlan(activations=tuple(activations), weights=tuple(weights), floats=float_decisions(placement))
    return with_room_for_biases(module, plan)


def tensor_parameters(groups: Sequence[Group], observations: Observations, choose: Choice) -> dict[Node, Parameters]:
    """What `choose` gives each group of tensors that share one scale."""
    known: dict[Node, Parameters] = {}
    for group in groups:
        observed = partial(observations.range, [node.name for node in group])
        known |= dict.fromkeys(group, choose(group, observed, known))
    return known


def float_decisions(placement: Placement) -> tuple[FloatDecision, ...]:
    """The plan's account of what stays float."""
    return tuple(
        FloatDecision(tensor=node.name, module=module_path(node), operation=str(node.target), reason=reason)
        for node, reason in placement.floats
    )


def placement_for(profile: Precision, module: GraphModule, protected: frozenset[str]) -> Placement:
    """What each profile quantizes."""
    if profile is Precision.INT8_FULL:
        return place_everything(module)
    placement = place(module, protected)
    return replace(placement, groups=(), floats=()) if profile is Precision.INT8_WEIGHTS else placement


def wide_parameters(group: Group, observed: Callable[[], Range], _known: Mapping[Node, Parameters]) -> Parameters:
    """Parameters of tensors that share one scale, in 16 bits."""
    if has_fixed_parameters(group):
        return WIDE_UNIT
    low, high = observed()
    return SILENT if low == high == 0 else affine_parameters(low, high, bits=WIDE_BITS)


def group_parameters(group: Group, observed: Callable[[], Range], _known: Mapping[Node, Parameters]) -> Parameters:
    """Parameters of tensors that share one scale, in the accuracy-first profile."""
    if has_fixed_parameters(group):
        return UNIT_PARAMETERS
    scale, zero_point = affine_parameters(*observed())
    return half_scale(scale), zero_point
