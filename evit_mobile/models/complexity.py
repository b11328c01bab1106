"""Parameters and multiply-accumulates of a variant, from its architecture alone. Imports no torch.

Multiply-accumulates are those of convolutions, linear layers and matrix products for one image; norms, activations and
sums are left out, as in both papers' tables. Shapes: h x w a layer's output grid, n = h*w tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

from evit_mobile.families.family import imported
from evit_mobile.models.costs.cost import Cost
from evit_mobile.spec import ModelSpec, family_of


def count_parameters(spec: ModelSpec) -> int:
    """Number of parameters; running statistics of norms are not parameters."""
    return sum(cost.parameters for cost in costs(spec))


def count_macs(spec: ModelSpec) -> int:
    """Multiply-accumulates for one image at `spec.size`."""
    return sum(cost.macs for cost in costs(spec))


def costs(spec: ModelSpec) -> Iterator[Cost]:
    """Cost of every layer, in the order of the reference model's forward. Not of models with hidden widths of their own."""
    assert not spec.architecture.hidden
    found: Iterator[Cost] = imported(family_of(spec).costs)(spec)
    return found
