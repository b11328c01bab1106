"""One plan for every form, from one pass over the images; what stays float depends on what is asked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import FloatType, Precision, QuantPlan
from converters.quantized_program import shared_module
from evit_mobile.findings import Protection
from evit_mobile.metrics import Logits
from evit_mobile.prepare import plans
from evit_mobile.prepare.forms import Forms, export, rewritten
from evit_mobile.prepare.lowerable import Preparation
from evit_mobile.prepare.plans import make_plans, planned
from evit_mobile.prepare.preparation import run_module
from evit_mobile.quantization.observe import observe
from evit_mobile.quantization.placement import PROTECTED_REASON
from evit_mobile.quantization.plan import candidates, plan_from
from tests.evit_mobile.prepare.tiny import SIDE, Kept, asked, network, photos

NETWORK = network()


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return export(NETWORK, (SIDE, SIDE))


def plan_of(wanted: Preparation, program: ExportedProgram) -> tuple[QuantPlan, Protection | None, list[str]]:
    """The plan of the one form, with what was reported."""
    forms: Forms = dict.fromkeys(wanted.floats, NETWORK)
    expected: Logits = run_module(NETWORK, wanted.held_out.batches())
    lines: list[str] = []
    found, protection = planned(wanted, forms, {NETWORK: program}, expected, lines.append)
    return found[NETWORK], protection, lines


def test_int8_that_keeps_the_floor_protects_nothing(program: ExportedProgram) -> None:
    plan, protection, lines = plan_of(asked(NETWORK, Precision.INT8), program)
    assert protection == Protection()
    assert lines[0] == "calibrating on 12 images"
    assert [one.module for one in plan.weights] == ["0", "2", "5"]


def test_a_limit_of_points_is_measured_on_the_targets_own_files(program: ExportedProgram) -> None:
    target = Kept()
    _, protection, lines = plan_of(asked(NETWORK, Precision.INT8, target, max_drop=100.0), program)
    assert protection == Protection()
    assert len(target.programs) == 1
    assert any("points of 100.00 allowed" in line for line in lines)
    names = {node.target for node in target.programs[0].graph.nodes if node.op == "call_function"}
    assert torch.ops.quantized_decomposed.quantize_per_tensor.default in names


def test_a_file_that_cannot_keep_it_is_tried_with_more_and_more_float(program: ExportedProgram) -> None:
    target = Kept(off=1e6)  # whatever is float: every image is of the first class
    _, protection, lines = plan_of(asked(NETWORK, Precision.INT8, target, max_drop=0.0), program)
    assert len(target.programs) > 1
    assert protection is not None
    assert sum("points of 0.00 allowed" in line for line in lines) == len(target.programs)


@pytest.mark.parametrize("precision", [Precision.INT8_FULL, Precision.INT8_WEIGHTS, Precision.A16W8])
def test_no_other_profile_protects(precision: Precision, program: ExportedProgram) -> None:
    plan, protection, _ = plan_of(asked(NETWORK, precision), program)
    assert protection is None
    assert len(plan.weights) == 3
    assert bool(plan.activations) == (precision is not Precision.INT8_WEIGHTS)


def test_16_bits_take_the_whole_range_whatever_observer_is_asked_for(
    program: ExportedProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods: list[str] = []
    real = plans.calibrate

    def calibrate(*given: Any, **options: Any) -> Any:
        methods.append(options["method"])
        return real(*given, **options)

    monkeypatch.setattr(plans, "calibrate", calibrate)
    for precision in (Precision.A16W8, Precision.INT8_FULL):
        plan_of(asked(NETWORK, precision), program)
    assert methods == ["min-max", "mse"]


def test_the_plan_of_one_form_is_carried_over_to_the_other() -> None:
    """They differ in float operations; int8 tensors have the same parameters, whatever they are called."""
    attention = network(attention=True)
    forms = rewritten(asked(attention, Precision.INT8, Kept(FloatType.FP32), Kept(FloatType.FP16)))
    programs = {form: export(form, (SIDE, SIDE)) for form in forms.values()}
    first, other = programs.values()
    images = [torch.from_numpy(image) for image in photos(3).batches(1)]
    observations = observe(first, candidates(first), lambda start: iter(images[start:]))
    found = make_plans(programs, observations, Protection(modules=("5",)), Precision.INT8, [], lambda _: None)
    assert list(found) == list(programs)
    one, carried = found.values()
    assert one == plan_from(first, observations, frozenset({"5"}))
    assert [(a.scale, a.zero_point) for a in one.activations] == [(a.scale, a.zero_point) for a in carried.activations]
    assert one.weights == carried.weights
    assert {node.name for node in shared_module(other).graph.nodes} >= {a.tensor for a in carried.activations}
    for plan in (one, carried):
        assert {decision.module for decision in plan.floats if decision.reason == PROTECTED_REASON} == {"5"}
    assert one.floats != carried.floats


def test_images_correct_and_none_correct_nothing(program: ExportedProgram) -> None:
    images = [torch.from_numpy(image) for image in photos(6).batches(1)]
    observations = observe(program, candidates(program), lambda start: iter(images[start:]))

    def made(images: list[torch.Tensor]) -> QuantPlan:
        module: nn.Module = NETWORK
        return make_plans({module: program}, observations, Protection(), Precision.INT8, images, lambda _: None)[module]

    assert made([]) == plan_from(program, observations)
    assert made([]).biases == ()
    assert made(images).activations == made([]).activations
