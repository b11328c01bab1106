"""How much the rounding of each tensor and weight harms the logits.

With y the logits, J_t their derivative by a tensor t and e_t the error that rounding adds to t, the harm is the mean over
images of |J_t e_t|^2. For a random vector v of unit variance it is the expectation of (v . J_t e_t)^2, and v . J_t for all t at
once is one run backwards (Hutchinson's estimator). Rounding errors are small and nearly independent, so the harms of all
tensors of a plan add up to the noise of its logits: any plan's SQNR is known without running it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from converters.contract import QuantPlan
from converters.quantized_program import shared_module
from evit_mobile.quantization.simulate import (
    nearest,
    product_of,
    reader_of,
    returning,
    rounded,
    rounded_weight,
)

PROBES = 4
"""Random vectors per image. The estimate's relative standard deviation is sqrt(2 / (images * PROBES))."""

INAUDIBLE = 1e-20
"""Added to noise, relative to the signal, so that none at all is 200 dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """What rounding one tensor or weight does: noise power over signal power, at the logits and where it happens.

    For a weight that is the result of its convolution or linear layer.
    """

    tensor: str
    module: str
    output: float
    local: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleHarm:
    """The same for all tensors and weights of a module, in dB of signal over noise."""

    module: str
    output_sqnr_db: float
    module_sqnr_db: float
    share: float
    """Of the noise in the logits, a fraction."""


def measure_harms(
    program: ExportedProgram, plan: QuantPlan, images: Iterable[Tensor], *, seed: int = 0
) -> dict[str, Harm]:
    """The harm of every int8 tensor and weight of `plan`, by name, over `images`, each (1, 3, H, W)."""
    module = shared_module(program)
    nodes = {node.name: node for node in module.graph.nodes}
    tensors = [
        tensor for tensor in rounded(module, plan) if nodes[tensor.tensor].op != "get_attr"
    ]  # constants are exact
    weights = list(plan.weights)
    readers = [reader_of(nodes.values(), weight.tensor) for weight in weights]
    names = [*(tensor.tensor for tensor in tensors), *(reader.all_input_nodes[0].name for reader in readers)]
    results = [_output(module.graph.nodes), *(reader.name for reader in readers)]
    run = returning(module, [*results, *names])
    parameters = [run.get_parameter(weight.tensor).detach() for weight in weights]
    changes = [rounded_weight(p, w) - p for p, w in zip(parameters, weights, strict=True)]
    generator = torch.Generator().manual_seed(seed)
    count = len(tensors) + len(weights)
    noise, local_noise, local_signal, signal = torch.zeros(count), torch.zeros(count), torch.zeros(count), 0.0
    for image in images:
        values = run(image.clone().requires_grad_())
        logits, outputs = values[0], values[1 : len(results)]
        activations, inputs = values[len(results) : len(results) + len(tensors)], values[len(results) + len(tensors) :]
        exact = [activation.detach() for activation in activations]
        errors = [nearest(x, q.scale, q.zero_point) - x for x, q in zip(exact, tensors, strict=True)]
        errors += [product_of(*each) for each in zip(readers, inputs, changes, strict=True)]
        signal += float(logits.detach().square().sum())
        local_signal += _powers([*activations, *outputs])
        local_noise += _powers(errors)
        for probe in range(PROBES):
            vector = torch.randn(logits.shape, generator=generator)
            gradients = torch.autograd.grad(
                (logits * vector).sum(), [*activations, *outputs], retain_graph=probe + 1 < PROBES, allow_unused=True
            )
            noise += torch.stack([_dot(*pair) for pair in zip(gradients, errors, strict=True)]).square() / PROBES
    output, local = noise / signal, local_noise / local_signal.clamp_min(1e-30)
    keys = [(t.tensor, t.module) for t in tensors] + [(w.tensor, w.module) for w in weights]
    return {
        name: Harm(tensor=name, module=path, output=float(output[i]), local=float(local[i]))
        for i, (name, path) in enumerate(keys)
    }


def rank_modules(harms: Mapping[str, Harm]) -> list[ModuleHarm]:
    """Every module with int8 tensors, the most harmful first."""
    modules: dict[str, list[Harm]] = {}
    for harm in harms.values():
        modules.setdefault(harm.module, []).append(harm)
    total = sum(harm.output for harm in harms.values())
    ranked = [
        ModuleHarm(
            module=module,
            output_sqnr_db=sqnr_of(sum(harm.output for harm in own)),
            module_sqnr_db=sqnr_of(sum(harm.local for harm in own)),
            share=sum(harm.output for harm in own) / total if total else 0.0,
        )
        for module, own in modules.items()
    ]
    return sorted(ranked, key=lambda row: row.output_sqnr_db)


def predicted_sqnr_db(harms: Mapping[str, Harm], plan: QuantPlan) -> float:
    """SQNR of the logits if only the tensors and weights of `plan` are int8."""
    names = [*(activation.tensor for activation in plan.activations), *(weight.tensor for weight in plan.weights)]
    return sqnr_of(sum(harms[name].output for name in names if name in harms))


def sqnr_of(noise: float) -> float:
    """In dB, from noise power over signal power."""
    return -10 * math.log10(noise + INAUDIBLE)


def _output(nodes: Iterable[Node]) -> str:
    """Name of the tensor that the program returns."""
    (result,) = (node for node in nodes if node.op == "output")
    return result.all_input_nodes[0].name


def _powers(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([value.detach().square().sum() for value in values])


def _dot(gradient: Tensor | None, error: Tensor) -> Tensor:
    return torch.zeros(()) if gradient is None else (gradient * error).sum()
