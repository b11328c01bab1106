"""Ranges of the profile int8-full that follow from the operation rather than from calibration images.

On calibration images a reciprocal root meets values that int8 does not have: numbers below the smallest code. Such a range is derived
from the codes of the operands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

from torch.fx import Node

from calib.ranges import QMAX, QMIN, Range, affine_parameters
from evit_mobile.quantization.placement import ATEN

Parameters = tuple[float, int]
"""Scale and zero point."""
Group = tuple[Node, ...]
"""Tensors that share one scale."""

UNIT_PARAMETERS: Parameters = (1 / 256, -128)
"""The only output parameters that int8 sigmoid and softmax kernels accept."""
UNIT_OPERATIONS = {ATEN.sigmoid.default, ATEN.softmax.int}
SMALLEST_SQUARE = 4
"""Code below which a reciprocal root is clipped: so small a code is half noise, and its root would take half the range."""


def has_fixed_parameters(group: Group) -> bool:
    """Whether one of the tensors comes from an operation whose kernels accept UNIT_PARAMETERS only."""
    return any(node.target in UNIT_OPERATIONS for node in group)


def integer_parameters(
    group: Group,
    observed: Callable[[], Range],
    known: Mapping[Node, Parameters],
    symmetric: frozenset[Group] = frozenset(),
) -> Parameters:
    """Parameters of tensors that share one scale, with zero point 0 in the groups of `symmetric`. `known` are those of the tensors
    before them.
    """
    if has_fixed_parameters(group):
        return UNIT_PARAMETERS
    low, high = observed()
    for node in group:
        if node.target is ATEN.rsqrt.default:
            scale, _ = known[node.all_input_nodes[0]]
            high = min(high, (SMALLEST_SQUARE * scale) ** -0.5)
        elif node.target is ATEN.mul.Tensor:
            least, most = product_range(*(known[operand] for operand in node.args if isinstance(operand, Node)))
            low, high = max(low, least), min(high, most)
    return affine_parameters(low, high, symmetric=group in symmetric)


def product_range(first: Parameters, second: Parameters) -> Range:
    """The range of products of numbers that these parameters can represent."""
    ends = [[scale * (code - zero_point) for code in (QMIN, QMAX)] for scale, zero_point in (first, second)]
    products = [one * other for one, other in product(*ends)]
    return min(products), max(products)
