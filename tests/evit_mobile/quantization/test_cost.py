"""The modelled latency: multiply-accumulates by hand, and conversions where int8 meets float."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.capabilities import XNNPACK
from converters.quantized_program import graph_module
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.cost import VALUES_PER_MS, modelled_latency_ms, multiplications, size
from evit_mobile.quantization.placement import WEIGHTED, Placement, place

NOTHING = Placement(groups=(), weights=(), floats=())


def test_a_function_that_runs_as_a_table_costs_no_conversion() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Hardswish(), nn.Conv2d(8, 4, 1)).eval()
    module = graph_module(export(model, (12, 12)))
    placement = place(module)
    macs = 12 * 12 * (3 * 8 + 8 * 4)
    ends = 12 * 12 * 4 / VALUES_PER_MS
    assert modelled_latency_ms(module, placement) <= macs / XNNPACK.macs_per_ms[8] + ends
    softmax = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softmax(1), nn.Conv2d(8, 4, 1)).eval()
    other = graph_module(export(softmax, (12, 12)))
    assert modelled_latency_ms(other, place(other)) >= macs / XNNPACK.macs_per_ms[8] + 2 * 12 * 12 * 8 / VALUES_PER_MS


@pytest.mark.parametrize(
    ("layer", "macs", "values"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 12 * 12 * 8 * 27, 12 * 12 * 8),
        (nn.Conv2d(3, 8, 3, stride=2, bias=False), 5 * 5 * 8 * 27, 5 * 5 * 8),
        (nn.Conv2d(3, 6, 1, groups=3), 12 * 12 * 6, 12 * 12 * 6),
        (nn.Linear(12, 7), 3 * 12 * 7 * 12, 3 * 12 * 7),
    ],
)
def test_multiplications_and_values_by_hand(layer: nn.Module, macs: int, values: int) -> None:
    (node,) = (node for node in graph_module(export(layer, (12, 12))).graph.nodes if node.target in WEIGHTED)
    assert (multiplications(node), size(node)) == (macs, values)


def test_int8_layers_cost_less_and_float_ones_convert_nothing_alone() -> None:
    module = graph_module(export(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1)), (12, 12)))
    macs = 12 * 12 * (3 * 8 + 8 * 4)
    assert modelled_latency_ms(module, NOTHING) == pytest.approx(macs / XNNPACK.macs_per_ms[32])
    assert modelled_latency_ms(module, place(module)) == pytest.approx(macs / XNNPACK.macs_per_ms[8])
    first_float = place(module, frozenset({"0"}))
    expected = 12 * 12 * 3 * 8 / XNNPACK.macs_per_ms[32] + 12 * 12 * 8 * 4 / XNNPACK.macs_per_ms[8]
    assert modelled_latency_ms(module, first_float) >= expected


def test_a_tensor_is_converted_once_for_who_gives_it_and_once_for_who_reads_it() -> None:
    """The first convolution's result is read by softmax alone, whose own result the second convolution reads."""
    module = graph_module(export(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Softmax(1), nn.Conv2d(8, 4, 1)), (12, 12)))
    placement = place(module)
    assert {node.name for group in placement.groups for node in group} >= {"conv2d", "softmax", "conv2d_1"}
    floats_of = modelled_latency_ms(module, placement) - modelled_latency_ms(
        module, Placement(groups=placement.groups, weights=placement.weights, floats=())
    )
    (softmax,) = (node for node, _ in placement.floats)
    assert softmax.target is torch.ops.aten.softmax.int
    assert floats_of == pytest.approx(2 * 12 * 12 * 8 / VALUES_PER_MS)
