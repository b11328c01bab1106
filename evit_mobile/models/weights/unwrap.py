"""Which of the state dicts in a checkpoint is the one to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.bake import plain_name
from evit_mobile.models.weights.layouts import first_convolution

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrapped:
    """A checkpoint's state dict, and remarks for the user."""

    state: StateDict
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A state dict with an EfficientViT in it, under `path` in the checkpoint, and the names of what is no tensor beside it."""

    path: tuple[object, ...]
    state: StateDict
    beside: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))


PREFERRED = {
    "state_dict_ema": "the moving average, as timm.models.load_checkpoint does",
    "ema": "the moving average, as MIT's Trainer.eval_network does",
    "state_dict": "the weights",
    "model": "the weights, as Microsoft's main.py --eval does",
    "model_ema": "the moving average",
    "model_state_dict": "the weights",
    "net": "the weights",
    "params_ema": "the moving average",
    "params": "the weights",
}
"""Where training programs keep the weights, in order of preference: what the program's own evaluation would use. Any other place does
where the checkpoint holds no other network.
"""
DEPTH = 4
"""Containers are looked into so far."""


def unwrap(tree: object) -> Unwrapped:
    """Finds the state dict in what a file holds. Raises CheckpointError when there is none, or which one to take is not known."""
    found = list(networks(tree, (), set()))
    if not found:
        return Unwrapped(state=without_network(tree))
    chosen = preferred(found)
    notes = []
    if chosen.path:
        reason = PREFERRED.get(str(chosen.path[0]), "the only network in it")
        left = ", ".join(repr(other.name) for other in found if other is not chosen)
        notes.append(f"took {chosen.name!r} from the checkpoint, {reason}" + (f"; left {left}" if left else ""))
    if chosen.beside:
        notes.append(f"left out {', '.join(map(repr, chosen.beside))} beside the weights: no tensors")
    return Unwrapped(state=chosen.state, notes=tuple(notes))


def networks(tree: object, path: tuple[object, ...], seen: set[int]) -> Iterator[Network]:
    """Every state dict in `tree` that has an EfficientViT's first convolution. `seen` are the containers that were looked into."""
    if isinstance(tree, Mapping):
        tensors = {key: value for key, value in tree.items() if isinstance(key, str) and isinstance(value, Tensor)}
        if any(first_convolution(plain_name(key)) for key in tensors):
            yield Network(path=path, state=tensors, beside=tuple(str(key) for key in tree if key not in tensors))
            return
    if not isinstance(tree, Mapping | list | tuple) or len(path) == DEPTH or id(tree) in seen:
        return
    seen.add(id(tree))
    for key, value in tree.items() if isinstance(tree, Mapping) else enumerate(tree):
        yield from networks(value, (*path, key), seen)


def preferred(found: list[Network]) -> Network:
    """The one that the training program's own evaluation would use, or the only one. Raises CheckpointError for several."""
    order = list(PREFERRED)
    ranks = [order.index(key) if (key := str((*one.path, "")[0])) in order else len(order) for one in found]
    best = [one for one, rank in zip(found, ranks, strict=True) if rank == min(ranks)]
    if len(best) > 1:
        raise CheckpointError(
            got=f"a checkpoint with {len(best)} networks, under {', '.join(repr(one.name) for one in best)}",
            allowed="one network, or several of which one is under " + ", ".join(PREFERRED),
            do="save the state dict of the one to convert",
        )
    return best[0]


def without_network(tree: object) -> StateDict:
    """The tensors of a checkpoint that has no EfficientViT, for an error that names them. Raises CheckpointError where there are none."""
    for place in (tree, *(tree.values() if isinstance(tree, Mapping) else ())):
        if isinstance(place, Mapping):
            tensors = {key: value for key, value in place.items() if isinstance(key, str) and isinstance(value, Tensor)}
            if tensors:
                return tensors
    held = "a file that holds a " + type(tree).__name__
    if isinstance(tree, Mapping):
        held = f"a checkpoint with {', '.join(map(repr, list(tree)[:8])) or 'nothing in it'}"
    raise CheckpointError(
        got=held,
        allowed="a state dict, or a training checkpoint that holds one",
        do="save model.state_dict()",
    )


def as_size(value: object) -> tuple[int, int] | None:
    """(height, width) from N, (H, W), (C, H, W) or (H, W, C), the forms in which people write an input size, or from Hugging Face's
    {"height": H, "width": W} and {"shortest_edge": N}.
    """
    match value:
        case bool():
            return None
        case int(side):
            return side, side
        case [int(height), int(width), 1 | 3 | 4] | [int(height), int(width)] | [_, int(height), int(width)]:
            return height, width
        case {"height": int(height), "width": int(width)}:
            return height, width
        case {"shortest_edge": int(edge)}:
            return edge, edge
    return None
