"""Weights that a file keeps in parts: pruning masks, weight norm and spectral norm become the tensors that the network computes with.

torch.nn.utils.prune, weight_norm and spectral_norm, and torch.nn.utils.parametrizations of the two norms.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from evit_mobile.errors import CheckpointError

Parts = Mapping[str, Tensor]


def masked(parts: Parts) -> Tensor:
    """A pruned tensor."""
    require(parts["_orig"].shape == parts["_mask"].shape)
    return parts["_orig"] * parts["_mask"]


def weight_normed(magnitude: Tensor, direction: Tensor) -> Tensor:
    """g v / |v|, the norm over the dimensions that `magnitude` has not (arXiv 1602.07868, eq. 2)."""
    require(magnitude.ndim == direction.ndim)
    axes = [axis for axis in range(direction.ndim) if magnitude.shape[axis] == 1]
    length = direction.square().sum(axes, keepdim=True).sqrt()
    require(length.shape == magnitude.shape)
    return direction * (magnitude / length)


def spectrally_normed(weight: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """W / (u W v), as in eval mode; u and v belong to the outputs and the inputs (arXiv 1802.05957, eq. 8)."""
    require(weight.ndim > 1 and (left.ndim, right.ndim) == (1, 1))
    return weight / (left @ (weight.flatten(1) @ right))


def require(fitting: bool) -> None:
    """Raises ValueError, before anything is computed that a damaged file could make as large as it likes."""
    if not fitting:
        raise ValueError("they differ in shape")


def in_full(tensor: Tensor) -> Tensor:
    """`tensor` in fp32. Raises ValueError for one that repeats values and so is larger than what the file holds."""
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"one of shape {tuple(tensor.shape)} has not all its values")
    return tensor.float()


FORMS: tuple[tuple[frozenset[str], Callable[[Parts], Tensor], str], ...] = (
    (frozenset({"_orig", "_mask"}), masked, "pruning masks"),
    (frozenset({"_g", "_v"}), lambda parts: weight_normed(parts["_g"], parts["_v"]), "weight norm"),
    (frozenset({"0", "1"}), lambda parts: weight_normed(parts["0"], parts["1"]), "weight norm"),
    (
        frozenset({"_orig", "_u", "_v"}),
        lambda parts: spectrally_normed(parts["_orig"], parts["_u"], parts["_v"]),
        "spectral norm",
    ),
    (
        frozenset({"", ".0._u", ".0._v"}),
        lambda parts: spectrally_normed(parts[""], parts[".0._u"], parts[".0._v"]),
        "spectral norm",
    ),
)
"""What a tensor's parts are called, by their ends, and what they make together."""

PARAMETRIZED = re.compile(r"(?P<path>.*?)parametrizations\.(?P<leaf>\w+)\.(?:original(?P<end>[01]?)|(?P<own>\d+\..+))")
SUFFIXED = re.compile(r"(?P<whole>.+\.(?:weight|bias))(?P<end>_orig|_mask|_g|_v|_u)")


def part_of(key: str) -> tuple[str, str] | None:
    """The tensor that `key` is a part of, and which part; None of a tensor of its own."""
    match = PARAMETRIZED.fullmatch(key)
    if match is not None:
        end = match["end"] if match["own"] is None else f".{match['own']}"
        return match["path"] + match["leaf"], end
    match = SUFFIXED.fullmatch(key)
    return None if match is None else (match["whole"], match["end"])


def plain_name(key: str) -> str:
    """The name of the tensor that `key` is, or is a part of."""
    part = part_of(key)
    return key if part is None else part[0]


def bake(state: Parts) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """`state` with every tensor whole, and remarks. Raises CheckpointError for parts that make none known here."""
    whole: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        part = part_of(key)
        if part is None:
            whole[key] = tensor
        else:
            parts.setdefault(part[0], {})[part[1]] = tensor
    baked: dict[str, int] = {}
    for name, held in parts.items():
        form = next(((make, title) for ends, make, title in FORMS if ends == held.keys()), None)
        if form is None:
            keys = ", ".join(repr(key) for key in state if plain_name(key) == name)
            raise CheckpointError(
                got=f"{name!r} kept as {keys}, a parametrization of its own",
                allowed="tensors, or pruning masks, weight norm and spectral norm of torch",
                do="remove it before saving: torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')",
            )
        make, title = form
        try:
            whole[name] = make({end: in_full(tensor) for end, tensor in held.items()})
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                got=f"{name!r} in parts that do not make one tensor: {error}",
                allowed="parts of one tensor",
                do="save the weights again",
            ) from error
        baked[title] = baked.get(title, 0) + 1
    return whole, tuple(f"{title} of {count} tensors baked in" for title, count in baked.items())
