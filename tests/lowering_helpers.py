"""What the tests of the lowered formats (tflite, executorch) share: small programs, whole models, a plain quantization plan."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import ActivationQuantization, Metadata, Precision, QuantPlan, WeightQuantization
from converters.quantized_program import graph_module, quantize_program
from evit_mobile.models.build import build_model
from evit_mobile.quantization import make_plan
from evit_mobile.rewrites import rewrite, rewrite_for_half, rewrite_for_integers
from evit_mobile.spec import find_spec

torch.set_num_threads(1)
METADATA = Metadata(description="a test model")
WEIGHTED = ("aten.conv2d.default", "aten.linear.default")
ABSORBING = (*WEIGHTED, "aten.add.Tensor", "aten.mul.Tensor")
CLAMPS = ("aten.relu.default", "aten.relu6.default", "aten.hardtanh.default")
SIGMOID = "aten.sigmoid.default"
KEEPS_SCALE = (
    "aten.slice.Tensor",
    "aten.view.default",
    "aten.permute.default",
    "aten.pad.default",
    "aten.flatten.using_ints",
)


class Apply(nn.Module):
    """A module around a function of the input; keyword arguments become submodules, buffers or attributes."""

    def __init__(self, function: Callable[..., Tensor], **parts: Any) -> None:
        super().__init__()
        self.function = function
        self.names = tuple(parts)
        for name, part in parts.items():
            if isinstance(part, Tensor):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *(getattr(self, name) for name in self.names))


def export(model: nn.Module, x: Tensor) -> ExportedProgram:
    return torch.export.export(model.eval().requires_grad_(False), (x,))


def affine(low: float, high: float) -> tuple[float, int]:
    """Scale and zero point that cover low..high and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max(high - low, 1e-6) / 255))
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def quantize(program: ExportedProgram, x: Tensor, *, floats: tuple[str, ...] = ()) -> ExportedProgram:
    """`program` with every tensor quantized by its range on `x`, but for the results of operators in `floats`.

    A clamp behind a single reader shares the tensor with what it clamps; data movement keeps its input's parameters.
    """
    module = graph_module(program)
    values: dict[Node, Tensor] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: Node) -> Any:
            values[n] = super().run_node(n)
            return values[n]

    Recorder(module).run(x)
    parameters: dict[Node, tuple[float, int]] = {}
    for node, value in values.items():
        kind, users = str(node.target), list(node.users)
        if node.op not in ("placeholder", "call_function") or kind in floats or not isinstance(value, Tensor):
            continue
        if kind in ABSORBING and len(users) == 1 and str(users[0].target) in CLAMPS:
            continue
        source = node.args[0] if node.args else None
        if kind in KEEPS_SCALE and isinstance(source, Node) and source in parameters:
            parameters[node] = parameters[source]
        elif kind == SIGMOID:
            parameters[node] = (1 / 256, -128)
        else:
            parameters[node] = affine(float(value.min()), float(value.max()))
    weights = {node.args[1]: None for node in values if str(node.target) in WEIGHTED}  # layers may share one
    plan = QuantPlan(
        activations=tuple(
            ActivationQuantization(tensor=node.name, module="", scale=scale, zero_point=zero_point)
            for node, (scale, zero_point) in parameters.items()
        ),
        weights=tuple(_weight(module, node) for node in weights if isinstance(node, Node)),
        floats=(),
    )
    return quantize_program(program, plan)


def _weight(module: torch.fx.GraphModule, node: Node) -> WeightQuantization:
    weight = module.get_parameter(str(node.target))
    scales = (weight.detach().flatten(1).abs().amax(1) / 127).clamp_min(1e-9)
    return WeightQuantization(tensor=str(node.target), module="", scales=tuple(scales.tolist()))


def relative_error(actual: np.ndarray, expected: Tensor) -> float:
    reference = expected.detach().numpy()
    assert actual.shape == reference.shape
    return float(np.abs(actual - reference).max() / max(np.abs(reference).max(), 1e-9))


def sqnr_db(actual: np.ndarray, expected: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((actual - expected) ** 2).sum()))


def random_model(name: str, size: int) -> nn.Module:
    """The variant with norms drawn at random: fresh ones switch whole branches off."""
    torch.manual_seed(0)
    model = build_model(find_spec(name, size=(size, size), num_classes=10))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, 0, 0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def plain_form(reference: nn.Module, probe: Tensor) -> nn.Module:
    return rewrite(reference, probe)[0]


def half_form(reference: nn.Module, probe: Tensor) -> nn.Module:
    return rewrite_for_half(plain_form(reference, probe), probe)[0]


def integer_form(reference: nn.Module, probe: Tensor) -> nn.Module:
    return rewrite_for_integers(reference, probe)[0]


FORMS = {Precision.FP16: half_form, Precision.INT8_FULL: integer_form}
"""Of precisions that do not have the plain one."""


@lru_cache(maxsize=1)
def exported_form(name: str, size: int, form: Callable[[nn.Module, Tensor], nn.Module]) -> ExportedProgram:
    """Made once for precisions that follow each other."""
    reference = random_model(name, size)
    return export(form(reference, torch.randn(2, 3, size, size)), torch.randn(1, 3, size, size))


def program_of(name: str, size: int, precision: Precision) -> tuple[ExportedProgram, Tensor]:
    """The program as the pipeline would hand it over, and an image that calibration has not seen."""
    program = exported_form(name, size, FORMS.get(precision, plain_form))
    x, *images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1)).split(1)
    if precision.quantized:
        program = quantize_program(program, make_plan(program, images, profile=precision))
    return program, x
