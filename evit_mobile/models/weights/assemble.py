"""From a matched state dict to the reference model that holds its weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.families.family import imported
from evit_mobile.models.build import build_model
from evit_mobile.models.weights.bias_tables import BIAS_TABLE, check_indices, resized_bias_table
from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.match import Match
from evit_mobile.models.weights.template import BATCH_COUNT, Part, only
from evit_mobile.models.weights.trained_size import TrainedSize
from evit_mobile.spec import ModelSpec, family_of

FLOAT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def class_count(match: Match, state: Mapping[str, Tensor], asked: int | None) -> int:
    """Classes of the last layer, for features their channels. Raises CheckpointError when it contradicts itself or `asked`."""
    if match.template.classifier is None:
        template = match.template
        classes = template.spec.num_classes if template.part is Part.WHOLE else template.features
        if asked is not None and asked != classes:
            raise CheckpointError(
                got=f"--num-classes {asked} for {match.template.spec.name}, which gives {classes} features",
                allowed="no class count for a feature extractor",
                do="leave --num-classes out",
            )
        return classes
    weight = match.sources[f"{match.template.classifier}.weight"]
    bias = match.sources[f"{match.template.classifier}.bias"]
    classes, biases = state[weight].shape[0], state[bias].shape[0]
    if classes != biases:
        raise CheckpointError(
            got=f"{classes} classes in {weight!r} and {biases} in {bias!r}",
            allowed="one class count",
            do="save the weights again",
        )
    if asked is not None and asked != classes:
        raise CheckpointError(
            got=f"--num-classes {asked}, with weights of {classes} classes ({weight!r})",
            allowed="the class count of the weights",
            do=f"leave --num-classes out, or pass weights with {asked} classes",
        )
    return classes


def trained_size(match: Match, state: Mapping[str, Tensor], recorded: tuple[int, int] | None) -> TrainedSize:
    """Input size that the weights were trained at: from their tensors where these tell, else `recorded`, else the default.

    Raises CheckpointError for tensors that no input size makes.
    """
    found: TrainedSize = imported(family_of(match.template.spec).trained_size)(match, state, recorded)
    return found


def assemble(match: Match, layout: Layout, state: Mapping[str, Tensor], spec: ModelSpec) -> nn.Module:
    """The reference model of `spec`, or the part of it that the match is of, with the weights of `state`, in fp32 and eval mode,
    holding no part of the file.

    Raises CheckpointError for a tensor that is not finite, not floating point or, as a variance, negative.
    """
    with torch.device("meta"):
        module = only(build_model(spec), spec, match.template.part)
    expected = module.state_dict()
    norms = {name: norm for name, norm in module.named_modules() if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)}
    loaded: dict[str, Tensor] = {}
    for name, placeholder in expected.items():
        if name in match.sources:
            loaded[name] = _converted(name, match.sources[name], state, placeholder, layout)
        else:
            path, leaf = name.rsplit(".", 1)
            loaded[name] = _identity_norm(leaf, norms[path])
    check_indices(match, state)
    module.load_state_dict(loaded, assign=True)
    return module.eval()


def _identity_norm(leaf: str, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    """A parameter of a norm that changes nothing, for a norm that the file has folded into its layer.

    The variance 1 - eps makes the divisor sqrt(var + eps) 1 to the last bit: rounding 1 - eps to fp32 errs by less than
    half the distance from 1 to the number below it, so the sum rounds to 1.
    """
    if leaf == BATCH_COUNT:
        return torch.tensor(0)
    fill = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0 - norm.eps}[leaf]
    return torch.full((norm.num_features,), fill)


def _converted(name: str, key: str, state: Mapping[str, Tensor], expected: Tensor, layout: Layout) -> Tensor:
    """A tensor of the file as our model wants it: a copy in fp32, in the shape of `expected`."""
    tensor = state[key]
    if name.endswith(BATCH_COUNT):
        if tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.layout != torch.strided:
            raise _unusable(key, f"of type {tensor.dtype}", "an integer count")
        return tensor.long().clone()
    if tensor.layout != torch.strided or tensor.dtype not in FLOAT_TYPES:
        kind = tensor.dtype if tensor.layout == torch.strided else tensor.layout
        raise _unusable(key, f"of type {kind}", "dense fp16, bf16, fp32 or fp64")
    held = tensor.untyped_storage().nbytes()
    if tensor.numel() * tensor.element_size() > held:
        raise _unusable(key, f"of shape {tuple(tensor.shape)} over {held} bytes", "a tensor with all its values")
    values = tensor.detach().to(device="cpu", dtype=torch.float32, copy=True, memory_format=torch.contiguous_format)
    least, most = (bound.item() for bound in torch.aminmax(values))  # NaN where any value is; allocates nothing
    if not (math.isfinite(least) and math.isfinite(most)):
        raise _unusable(key, "with NaN or infinite values", "finite values in the range of fp32")
    if name.endswith("running_var") and least < 0:
        raise _unusable(key, "with negative variances", "variances of at least 0")
    if name.endswith(BIAS_TABLE):
        values = resized_bias_table(values, expected.shape[1], antialias=layout.antialias)
    return values.view(expected.shape)


def _unusable(key: str, how: str, allowed: str) -> CheckpointError:
    return CheckpointError(
        got=f"tensor {key!r} {how}", allowed=allowed, do="check the training that wrote it, or save it again"
    )


def target_spec(
    spec: ModelSpec, layout: Layout, *, trained: tuple[int, int], asked: tuple[int, int] | None, classes: int
) -> ModelSpec:
    """`spec` with the origin's eps, at the size asked for, else at the one it was trained at."""
    try:
        return replace(spec, architecture=layout.adapt(spec.architecture), size=asked or trained, num_classes=classes)
    except UsageError as error:
        if asked is not None:
            raise
        raise CheckpointError(
            got=f"weights that were trained at {trained[0]}x{trained[1]}", allowed=error.allowed, do=error.do
        ) from error
