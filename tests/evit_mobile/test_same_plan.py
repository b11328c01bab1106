"""The three artefacts of one model implement one plan: scales and zero points read back from the files agree with it.

Core ML's keeps as floats what no layer reads (converters/coreml/passes/float_readers.py): all that layers read has to be in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import Metadata, Precision, QuantPlan
from converters.coreml.package import load_function
from converters.quantized_program import graph_module, quantize_program
from converters.registry import find_target
from converters.tflite.structure import read_model
from evit_mobile.models import build_model
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import make_plan
from evit_mobile.reference import randomise
from evit_mobile.rewrites import rewrite
from evit_mobile.spec import find_spec
from tests.lazily import Lazily

containers = Lazily("converters.executorch.container")

pytestmark = pytest.mark.slow
SIZE = (128, 128)
Activations = set[tuple[float, int]]
Weights = set[tuple[float, ...]]
INT8, PER_CHANNEL = 9, "qcint8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """(scale, zero point) of every int8 activation, and the scales of every int8 weight."""

    activations: Activations
    weights: Weights


def of_plan(program: ExportedProgram, plan: QuantPlan) -> Parameters:
    """Constants apart from weights are left out: a format may store them in parameters of their own."""
    constants = {node.name for node in graph_module(program).graph.nodes if node.op == "get_attr"}
    return Parameters(
        activations={(a.scale, a.zero_point) for a in plan.activations if a.tensor not in constants},
        weights={once(w.scales) for w in plan.weights},
    )


def read_by_layers(program: ExportedProgram, plan: QuantPlan) -> Activations:
    """The plan's (scale, zero point) of every activation that a convolution or a linear layer takes."""
    parameters = {a.tensor: (a.scale, a.zero_point) for a in plan.activations}
    layers = (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default)
    taken = [node.args[0] for node in graph_module(program).graph.nodes if node.target in layers]
    return {parameters[node.name] for node in taken if isinstance(node, Node) and node.name in parameters}


def once(scales: tuple[float, ...]) -> tuple[float, ...]:
    """The shortest part that repeats: a convolution over packs of pixels holds each channel's scale once per pixel."""
    period = next(
        n for n in range(1, len(scales) + 1) if len(scales) % n == 0 and scales == scales[:n] * (len(scales) // n)
    )
    return scales[:period]


def of_tflite(path: Path) -> Parameters:
    _, model = read_model(path)
    subgraph = model.subgraphs[0]
    constant = {index for index, tensor in enumerate(subgraph.tensors) if model.buffers[tensor.buffer].data is not None}
    int8 = [(index, t.quantization) for index, t in enumerate(subgraph.tensors) if t.type == INT8]
    weights: dict[str, tuple[float, ...]] = {}
    for index, q in int8:
        if index in constant and len(q.scale) > 1:
            name = (
                subgraph.tensors[index].name.decode().partition("/slice")[0]
            )  # of a grouped convolution, in their order
            weights[name] = weights.get(name, ()) + tuple(map(float, q.scale))
    return Parameters(
        activations={(float(q.scale[0]), int(q.zeroPoint[0])) for index, q in int8 if index not in constant},
        weights={once(scales) for scales in weights.values()},
    )


def of_executorch(path: Path) -> Parameters:
    container = containers.open_container(path.read_bytes())
    (graph,) = container.graphs
    values = graph.values.values()
    scales = {v.scales_key for v in values if v.dtype == PER_CHANNEL and v.scales_key is not None}
    return Parameters(
        activations={(v.scale, v.zero_point) for v in values if v.dtype == "qint8" and v.key is None},
        weights={once(tuple(np.frombuffer(container.constants[key], np.float32).tolist())) for key in scales},
    )


def of_coreml(path: Path) -> Parameters:
    """Scales as float16. Two of coremltools' optimisations are undone: a tensor from code -128 up is stored as uint8, and a
    sum is computed in units of one of its terms, which then has scale 1.
    """
    operations = load_function(path).operations
    quantize = [op for op in operations if op.op_type == "quantize"]
    weights = [op for op in operations if op.op_type == "constexpr_blockwise_shift_scale"]
    return Parameters(
        activations={(coreml_scale(op), coreml_zero_point(op)) for op in quantize},
        weights={once(tuple(op.scale.val.ravel().tolist())) for op in weights},
    )


def coreml_scale(quantize: Any) -> float:
    scale, source = float(quantize.scale.val), quantize.input.op
    if source is not None and source.op_type == "add":
        terms = [v.op for v in (source.x, source.y) if v.op is not None and v.op.op_type == "dequantize"]
        unit = next((term for term in terms if term.scale.val == 1), None)
        made = None if unit is None else unit.input.op
        while made is not None and made.op_type in ("slice_by_index", "reshape"):  # of codes
            made = made.x.op
        if made is not None and made.op_type == "quantize":
            scale *= coreml_scale(made)
    return scale


def coreml_zero_point(quantize: Any) -> int:
    stored = 0 if quantize.zero_point is None else int(quantize.zero_point.val)
    return stored - 128 if quantize.output_dtype.val == "uint8" else stored


def matches(plan: Parameters, file: Parameters, relative: float, needed: Activations | None = None) -> bool:
    """Whether the file has all of the plan's parameters and no others, scales of activations within `relative`; 0 is exactly.

    With `needed`, only those activations have to be there.
    """
    if relative == 0:
        return plan == file
    in_half = {tuple(np.float16(scales).astype(float).tolist()) for scales in plan.weights}

    def near(one: tuple[float, int], others: Activations) -> bool:
        return any(one[1] == zero and abs(one[0] - scale) <= relative * scale for scale, zero in others)

    covered = all(near(one, file.activations) for one in (plan.activations if needed is None else needed))
    return in_half == file.weights and covered and all(near(one, plan.activations) for one in file.activations)


READERS = {"tflite": of_tflite, "executorch": of_executorch, "coreml": of_coreml}
TOLERANCE = {"tflite": 0.0, "executorch": 0.0, "coreml": 4 * 2.0**-11}
"""Relative, of scales: Core ML stores them in float16, and those of chained sums as several factors."""


@pytest.fixture(scope="module", params=["efficientvit_m0", "efficientvit_b0"])
def planned(request: pytest.FixtureRequest) -> tuple[ExportedProgram, QuantPlan]:
    torch.manual_seed(0)
    model = build_model(find_spec(request.param, size=SIZE, num_classes=3))
    randomise(model, SIZE)
    images = torch.randn(4, 3, *SIZE, generator=torch.Generator().manual_seed(5))
    program = export(rewrite(model, images)[0], SIZE)
    return program, make_plan(program, images.split(1))


@pytest.fixture(scope="module")
def written(
    planned: tuple[ExportedProgram, QuantPlan], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Parameters]:
    return read_back(*planned, tmp_path_factory.mktemp("files"))


def read_back(program: ExportedProgram, plan: QuantPlan, folder: Path) -> dict[str, Parameters]:
    quantized = quantize_program(program, plan)
    parameters = {}
    for name, reader in READERS.items():
        target = find_target(name)
        path = folder / f"model{target.suffix}"
        target.lower(quantized, Precision.INT8, path, Metadata(description="test"))
        parameters[name] = reader(path)
    return parameters


def test_every_scale_and_zero_point_of_the_plan_is_in_every_file_and_no_other(
    planned: tuple[ExportedProgram, QuantPlan], written: dict[str, Parameters]
) -> None:
    plan = of_plan(*planned)
    needed = read_by_layers(*planned)
    assert len(plan.activations) > 50
    assert len(needed) > 30
    for name in written:
        assert matches(plan, written[name], TOLERANCE[name], needed if name == "coreml" else None), name


@pytest.mark.parametrize("name", READERS)
def test_another_plan_is_told_apart(
    name: str, planned: tuple[ExportedProgram, QuantPlan], written: dict[str, Parameters]
) -> None:
    """Scales 1 % off, or one zero point by one: what the comparison above would have to catch."""
    program, plan = planned
    read = read_by_layers(program, plan)
    second = [a for a in plan.activations if (a.scale, a.zero_point) in read][1]
    moved = replace(second, zero_point=second.zero_point - 1)
    shifted = replace(plan, activations=tuple(moved if a is second else a for a in plan.activations))
    scaled = replace(plan, weights=tuple(replace(w, scales=tuple(1.01 * s for s in w.scales)) for w in plan.weights))
    for other in (shifted, scaled):
        needed = read_by_layers(program, other) if name == "coreml" else None
        assert not matches(of_plan(program, other), written[name], TOLERANCE[name], needed)
