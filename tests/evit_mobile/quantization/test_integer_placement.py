"""The plans of the profiles int8-full and int8-weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.quantized_program import graph_module
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.quantization.integer_placement import FIXED_REASON, REASON, place_everything
from evit_mobile.rewrites import rewrite_for_integers
from tests.evit_mobile.quantization.test_integer_products import positive, zero_points_of_products
from tests.evit_mobile.quantization.test_placement import SIZE, images
from tests.evit_mobile.rewrites.rewritten import model_and_probe
from tests.lowering_helpers import Apply

LARGE = pytest.param("efficientvit_l1", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["efficientvit_m0", "efficientvit_b0", LARGE])
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


def test_softmax_and_sigmoid_have_the_parameters_their_kernels_need(program: torch.export.ExportedProgram) -> None:
    plan = make_plan(program, images(2).split(1), profile=Precision.INT8_FULL)
    found = {item.tensor: (item.scale, item.zero_point) for item in plan.activations}
    for node in graph_module(program).graph.nodes:
        if str(node.target) in ("aten.softmax.int", "aten.sigmoid.default"):
            assert found[node.name] == (1 / 256, -128)


def test_one_factor_of_every_product_has_zero_point_0(program: torch.export.ExportedProgram) -> None:
    plan = make_plan(program, images(2).split(1), profile=Precision.INT8_FULL)
    products = zero_points_of_products(program, plan)
    assert len(products) > 8
    assert all(0 in pair for pair in products), products
    assert any(pair.count(0) == 1 for pair in products), "no more factors than it takes"


def test_a_product_of_two_fixed_zero_points_stays_float() -> None:
    program = export(Apply(lambda x: (y := positive(x).softmax(-1)) @ y.transpose(1, 2)), SIZE)
    plan = make_plan(program, images(1).split(1), profile=Precision.INT8_FULL)
    assert [(decision.operation, decision.reason) for decision in plan.floats] == [
        ("aten.matmul.default", FIXED_REASON)
    ]
    assert zero_points_of_products(program, plan) == []


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
