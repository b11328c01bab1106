"""Products of two activations in the profile int8-full: one factor of each has zero point 0.

XNNPACK's int8 product has no zero point for its second factor. LiteRT 2.0.2 to 2.1.2 and TensorFlow 2.21 give it products that have one
all the same and silently take it as 0; other versions compute such products without XNNPACK. Which factor a file has second is for its
format to choose, so the plan says of which the zero point is 0, and the format puts that one there.

A zero point of 0 costs precision where a range does not lie around 0: its scale grows by up to 2, which is one bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from torch.fx import Node

from calib.ranges import QMAX, QMIN
from evit_mobile.quantization.integer_ranges import Group, Parameters, has_fixed_parameters
from evit_mobile.quantization.placement import ATEN

CLEARLY = 1.25
"""How many times more the second factor's scale must grow for the first to be chosen: formats store the second as it lies."""


def symmetric_groups(
    nodes: Iterable[Node], groups: Sequence[Group], known: Mapping[Node, Parameters]
) -> frozenset[Group]:
    """The groups of tensors whose zero point is to be 0, chosen by the parameters `known` that they would have otherwise.

    Of each product of `nodes` the second factor, unless the first clearly loses less; no further one where a product has one already.
    """
    group_of = {node: group for group in groups for node in group}
    chosen: set[Group] = set()
    for node in nodes:
        factors = [group_of[factor] for factor in factors_of(node) if factor in group_of]
        if len(factors) < 2 or not chosen.isdisjoint(factors):
            continue
        first, second = (growth(group, known) for group in factors)
        chosen.add(factors[0] if first * CLEARLY < second else factors[1])
    return frozenset(chosen)


def factors_of(node: Node) -> list[Node]:
    """Both factors of a product of activations; nothing for another operation."""
    return [factor for factor in node.args if isinstance(factor, Node)] if node.target is ATEN.matmul.default else []


def growth(group: Group, known: Mapping[Node, Parameters]) -> float:
    """By how much the scale of a group grows when its zero point becomes 0; infinite where kernels accept no other than theirs."""
    if has_fixed_parameters(group):
        return math.inf
    _, zero_point = known[group[0]]
    return max(zero_point - QMIN, QMAX - zero_point) / QMAX
