"""What torch counts while a layer runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from evit_mobile.models.costs.cost import Cost


def counted(module: nn.Module, *inputs: Any) -> Cost:
    """Parameters of a layer, and multiply-accumulates of one run of it."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(*inputs)
    return Cost(sum(parameter.numel() for parameter in module.parameters()), counter.get_total_flops() // 2)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of some layers."""
    costs = list(costs)
    return Cost(sum(cost.parameters for cost in costs), sum(cost.macs for cost in costs))
