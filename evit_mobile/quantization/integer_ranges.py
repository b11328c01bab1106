"""Ranges of the profile int8-full that follow from the operation rather than from calibration images.

On calibration images these operations meet values that int8 does not have: the logarithm of a number below the smallest code,
the reciprocal root of one. Such a range is derived from the codes of the operands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product

from torch.fx import Node

from calib.ranges import QMAX, QMIN, Range, affine_parameters
from evit_mobile.quantization.placement import ATEN

Parameters = tuple[float, int]
"""Scale and zero point."""

UNIT_PARAMETERS: Parameters = (1 / 256, -128)
"""The only output parameters that int8 sigmoid and softmax kernels accept."""
UNIT_OPERATIONS = {ATEN.sigmoid.default, ATEN.softmax.int}
LOG_MARGIN = 4.0
"""How far below the logarithm of code 1 that of code 0 lies, in nats: e^-4 times code 1 weighs nothing in a softmax."""
SMALLEST_SQUARE = 4
"""Code below which a reciprocal root is clipped: so small a code is half noise, and its root would take half the range."""


def integer_parameters(
    group: tuple[Node, ...], observed: Callable[[], Range], known: Mapping[Node, Parameters]
) -> Parameters:
    """Parameters of tensors that share one scale. `known` are those of the tensors before them."""
    for node in group:
        if node.target in UNIT_OPERATIONS:
            return UNIT_PARAMETERS
        if node.target is ATEN.log.default:
            return logarithm_parameters(*known[node.all_input_nodes[0]])
    low, high = observed()
    for node in group:
        if node.target is ATEN.rsqrt.default:
            scale, _ = known[node.all_input_nodes[0]]
            high = min(high, (SMALLEST_SQUARE * scale) ** -0.5)
        elif node.target is ATEN.mul.Tensor:
            least, most = product_range(*(known[operand] for operand in node.args if isinstance(operand, Node)))
            low, high = max(low, least), min(high, most)
    return affine_parameters(low, high)


def logarithm_parameters(scale: float, zero_point: int) -> Parameters:
    """Parameters for the logarithm of a tensor with these: from LOG_MARGIN below that of code 1 to that of the largest code."""
    return affine_parameters(math.log(scale) - LOG_MARGIN, math.log(scale * (QMAX - zero_point)))


def product_range(first: Parameters, second: Parameters) -> Range:
    """The range of products of numbers that these parameters can represent."""
    ends = [[scale * (code - zero_point) for code in (QMIN, QMAX)] for scale, zero_point in (first, second)]
    products = [one * other for one, other in product(*ends)]
    return min(products), max(products)
