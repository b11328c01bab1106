"""Which tensors get a scale, which share one, and which operations stay float."""

from __future__ import annotations

from statistics import median

import pytest
import torch
from torch import nn

from converters.contract import INT8_CHANNELS, QuantPlan
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.metrics import sqnr_db
from evit_mobile.models import build_model
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.placement import PROTECTED_REASON, place
from evit_mobile.quantization.scales import weight_scales
from evit_mobile.reference import randomise
from evit_mobile.rewrites import rewrite
from evit_mobile.spec import find_spec

SIZE = (96, 96)


@pytest.fixture(scope="module", params=["efficientvit_m0", "efficientvit_b0"])
def program(request: pytest.FixtureRequest) -> torch.export.ExportedProgram:
    torch.manual_seed(0)
    model = build_model(find_spec(request.param, size=SIZE, num_classes=7))
    randomise(model, SIZE)
    return export(rewrite(model, images(2))[0], SIZE)


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def plan(program: torch.export.ExportedProgram) -> QuantPlan:
    return make_plan(program, images(4).split(1))


def test_every_convolution_and_linear_layer_is_int8(program: torch.export.ExportedProgram, plan: QuantPlan) -> None:
    weighted = [
        n for n in graph_module(program).graph.nodes if str(n.target) in ("aten.conv2d.default", "aten.linear.default")
    ]
    assert len(plan.weights) == len(weighted) > 50


def test_attention_cores_stay_float_with_a_reason(plan: QuantPlan) -> None:
    reasons = {decision.operation: decision.reason for decision in plan.floats}
    assert "product of two activations" in reasons["aten.matmul.default"]
    assert all(decision.reason for decision in plan.floats)
    assert not any("conv2d" in decision.operation for decision in plan.floats)


def test_tensors_have_one_scale_each(plan: QuantPlan) -> None:
    names = [activation.tensor for activation in plan.activations]
    assert len(names) == len(set(names))
    assert all(activation.scale > 0 and -128 <= activation.zero_point <= 127 for activation in plan.activations)


def test_slices_share_the_scale_of_what_they_cut(program: torch.export.ExportedProgram) -> None:
    placement = place(graph_module(program))
    group_of = {node: index for index, group in enumerate(placement.groups) for node in group}
    slices = [node for node in group_of if str(node.target) == "aten.slice.Tensor"]
    assert all(group_of[node.args[0]] == group_of[node] for node in slices)


def test_a_protected_module_stays_float(program: torch.export.ExportedProgram) -> None:
    module = graph_module(program)
    path = next(iter(n.meta["nn_module_stack"].values() for n in module.graph.nodes if "conv2d" in str(n.target)))
    name = list(path)[-1][0]
    protected = place(module, frozenset({name}))
    assert len(protected.weights) == len(place(module).weights) - 1
    assert PROTECTED_REASON in {reason for _, reason in protected.floats}


def test_the_quantized_program_is_close_and_really_quantized(
    program: torch.export.ExportedProgram, plan: QuantPlan
) -> None:
    quantized = quantize_program(program, plan)
    exact, rounded = program.module(), quantized.module()
    with torch.no_grad():
        found = [sqnr_db(rounded(x).numpy(), exact(x).numpy()) for x in images(13)[4:].split(1)]
    # Random weights on noise have no redundancy that would hide rounding: single images of m0 have 5 to 17 dB.
    assert 6 < median(found) < 60
    codes = [tensor for name, tensor in quantized.state_dict.items() if name.endswith("_int8")]
    assert len(codes) == len(plan.weights)
    assert all(tensor.dtype == torch.int8 and int(tensor.abs().max()) == INT8_CHANNELS.most for tensor in codes)


def test_an_unknown_tensor_is_an_error(program: torch.export.ExportedProgram, plan: QuantPlan) -> None:
    from dataclasses import replace

    stray = replace(plan.activations[0], tensor="nowhere")
    with pytest.raises(KeyError, match="nowhere"):
        quantize_program(program, replace(plan, activations=(stray,)))


def test_a_fused_relu_is_part_of_its_convolution() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 1)).eval()
    placement = place(graph_module(torch.export.export(module, (torch.zeros(1, 3, 8, 8),))))
    names = [str(node.target) for group in placement.groups for node in group]
    assert names.count("aten.conv2d.default") == 1  # the one behind the ReLU is not quantized before it
    assert names.count("aten.relu.default") == 1


def test_channels_of_zeros_get_a_scale_that_every_runtime_accepts() -> None:
    weight = torch.zeros(3, 2, 1, 1)
    weight[0, 0], weight[1, 1] = 127.0, 1e-40
    assert weight_scales(weight) == (1.0, 1.0, 1.0)
    weight[0] /= 2
    assert weight_scales(weight) == (0.5, 1.0, 1.0)
