"""The plans of the profiles int8-full and int8-weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.quantized_program import graph_module
from evit_mobile.preparation import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.integer_placement import REASON, place_everything
from evit_mobile.quantization.integer_ranges import LOG_MARGIN, logarithm_parameters, product_range
from evit_mobile.rewrites import rewrite_for_integers
from tests.evit_mobile.quantization.test_placement import SIZE, images
from tests.evit_mobile.rewrites.test_rewrites import model_and_probe


@pytest.fixture(scope="module", params=["efficientvit_m0", "efficientvit_b0", "efficientvit_l1"])
def program(request: pytest.FixtureRequest) -> torch.export.ExportedProgram:
    model, probe = model_and_probe(request.param, SIZE)
    return export(rewrite_for_integers(model, probe)[0], SIZE)


def test_everything_is_int8(program: torch.export.ExportedProgram) -> None:
    module = graph_module(program)
    placement = place_everything(module)
    assert placement.floats == ()
    scaled = {node for group in placement.groups for node in group}
    assert set(module.graph.find_nodes(op="placeholder")) <= scaled
    assert set(module.graph.find_nodes(op="output")[0].all_input_nodes) <= scaled


def test_softmax_sigmoid_and_logarithm_have_the_parameters_their_kernels_need(
    program: torch.export.ExportedProgram,
) -> None:
    plan = make_plan(program, images(2).split(1), profile=Precision.INT8_FULL)
    found = {item.tensor: (item.scale, item.zero_point) for item in plan.activations}
    for node in graph_module(program).graph.nodes:
        if str(node.target) in ("aten.softmax.int", "aten.sigmoid.default"):
            assert found[node.name] == (1 / 256, -128)
        if str(node.target) == "aten.log.default":
            assert found[node.name] == logarithm_parameters(*found[node.args[0].name])


def test_the_logarithm_covers_every_code_and_zero_lies_far_below() -> None:
    scale, zero_point = 1 / 255, -128
    step, zero = logarithm_parameters(scale, zero_point)
    low, high = ((code - zero) * step for code in (-128, 127))
    assert high >= math.log(255 * scale) - step
    assert low == pytest.approx(math.log(scale) - LOG_MARGIN, abs=2 * step)


def test_a_product_is_within_the_products_of_its_operands_codes() -> None:
    assert product_range((1.0, 127), (0.5, -128)) == (-255 * 127.5, 0)


def test_an_operation_without_an_int8_form_is_named() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sin(x.mean((2, 3)))

    plan = make_plan(export(Odd(), SIZE), images(1).split(1), profile=Precision.INT8_FULL)
    assert [(decision.operation, decision.reason) for decision in plan.floats] == [("aten.sin.default", REASON)]


def test_int8_weights_quantizes_weights_only_and_needs_no_images(program: torch.export.ExportedProgram) -> None:
    plan = make_plan(program, [], profile=Precision.INT8_WEIGHTS)
    assert plan.activations == plan.floats == ()
    assert len(plan.weights) > 40
