"""From a matched state dict to the reference model that holds its weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.models.build import build_model
from evit_mobile.models.msra import PATCH_STRIDE, attention_bias_index, window_resolutions
from evit_mobile.models.weights.layouts import Layout
from evit_mobile.models.weights.match import Match
from evit_mobile.models.weights.template import BATCH_COUNT, BIAS_INDEX, BIAS_TABLE, Part, only
from evit_mobile.spec import ModelSpec, MsraArchitecture

FLOAT_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LARGEST_SIDE = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedSize:
    """Input size (height, width) of the weights, and in words where it is from."""

    size: tuple[int, int]
    note: str

    def note_at(self, spec: ModelSpec) -> str:
        """The remark on `spec`, the model as it is loaded: for the trained size, or for another that was asked for."""
        if spec.size == self.size:
            return self.note
        if not isinstance(spec.architecture, MsraArchitecture):
            return f"used at {_pixels(spec.size)}, as asked for"
        before, after = (window_resolutions(spec.architecture, size) for size in (self.size, spec.size))
        resized = "" if before == after else f"; bias tables of windows {_listed(before)} resized to {_listed(after)}"
        return f"used at {_pixels(spec.size)}, as asked for{resized}"


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
    """Input size that the weights were trained at: for M from its bias tables, else `recorded`, else the default.

    Raises CheckpointError for tables that no input size makes.
    """
    spec = match.template.spec
    if not isinstance(spec.architecture, MsraArchitecture):
        if recorded is not None:
            return TrainedSize(size=recorded, note=f"input size {_pixels(recorded)}, as stated with the weights")
        default = f"the weights do not say their input size; {_pixels(spec.size)}, the variant's default, is used"
        return TrainedSize(size=spec.size, note=default)
    sides = window_sides(match, state)
    sizes = [s for s in range(PATCH_STRIDE, LARGEST_SIDE + 1, PATCH_STRIDE) if _windows(spec.architecture, s) == sides]
    if not sizes:
        raise CheckpointError(
            got=f"bias tables of windows of {_listed(sides)} cells in the three stages",
            allowed="windows that one input size makes, such as 7, 7, 4 at 224x224",
            do="save the weights again",
        )
    if recorded is not None and window_resolutions(spec.architecture, recorded) == sides:
        return TrainedSize(size=recorded, note=f"input size {_pixels(recorded)}, as stated with the weights")
    usable = [side for side in sizes if side % 32 == 0] or sizes
    side = spec.size[0] if spec.size[0] in usable else usable[0]
    alike = [other for other in usable if other != side]
    note = f"input size {side}x{side}, from the bias tables"
    if alike:
        note = f"bias tables alike at {side} and {_listed(alike[:3])} pixels; {side} is used"
    if recorded is not None:
        note = f"{_pixels(recorded)}, the input size stated with the weights, is not that of their bias tables; {note}"
    return TrainedSize(size=(side, side), note=note)


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _windows(architecture: MsraArchitecture, side: int) -> tuple[int, ...]:
    return window_resolutions(architecture, (side, side))


def window_sides(match: Match, state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Window side of each stage of an M model, in cells, from the entries of its bias tables.

    Raises CheckpointError for a table that is not square or differs within its stage.
    """
    sides: dict[str, int] = {}
    for name, key in match.sources.items():
        if name.endswith(BIAS_TABLE):
            entries = state[key].shape[1]
            side = math.isqrt(entries)
            if side * side != entries or sides.setdefault(_stage(name), side) != side:
                raise CheckpointError(
                    got=f"a bias table of {entries} entries a head in {key!r}",
                    allowed="a square number of entries, the same in every block of a stage",
                    do="save the weights again",
                )
    return tuple(sides[stage] for stage in sorted(sides))


def _stage(name: str) -> str:
    return name.split(".")[1]


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
    _check_indices(match, state)
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


def resized_bias_table(table: Tensor, entries: int, *, antialias: bool) -> Tensor:
    """Bias table of another window: (heads, S*S) -> (heads, `entries`), bicubic over the two offsets, as upstream.

    With antialiasing timm/layers/pos_embed_rel.py resize_rel_pos_bias_table_levit; without, microsoft/Cream
    EfficientViT/classification/utils.py load_model@4a13c40.
    """
    heads, old = table.shape
    if old == entries:
        return table
    old_side, side = math.isqrt(old), math.isqrt(entries)
    square = table.view(1, heads, old_side, old_side)
    return F.interpolate(square, size=(side, side), mode="bicubic", antialias=antialias).view(heads, entries)


def _check_indices(match: Match, state: Mapping[str, Tensor]) -> None:
    """Raises CheckpointError where the file stores the index into a bias table and it differs from ours."""
    for key in (key for name, key in match.sources.items() if name.endswith(BIAS_TABLE)):
        index = state.get(key.removesuffix(BIAS_TABLE) + BIAS_INDEX)
        if index is not None and not torch.equal(index.cpu(), attention_bias_index(math.isqrt(state[key].shape[1]))):
            raise CheckpointError(
                got=f"an index other than Microsoft's into the bias table {key!r}",
                allowed="offsets numbered row by row",
                do="save the weights again from the original model",
            )


def target_spec(
    spec: ModelSpec, layout: Layout, *, trained: tuple[int, int], asked: tuple[int, int] | None, classes: int
) -> ModelSpec:
    """`spec` with the origin's eps, at the size asked for, else at the one it was trained at."""
    try:
        return replace(
            spec, architecture=layout.architecture(spec.architecture), size=asked or trained, num_classes=classes
        )
    except UsageError as error:
        if asked is not None:
            raise
        raise CheckpointError(
            got=f"weights that were trained at {trained[0]}x{trained[1]}", allowed=error.allowed, do=error.do
        ) from error
