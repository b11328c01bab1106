"""Which of the state dicts in a checkpoint is the one to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from evit_mobile.errors import CheckpointError

StateDict = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwrapped:
    """A checkpoint's state dict, and remarks for the user."""

    state: StateDict
    notes: tuple[str, ...] = ()


def state_dict_of(value: object) -> StateDict | None:
    """`value` if it is a state dict: a mapping from names to tensors, not empty."""
    if not isinstance(value, Mapping) or not value:
        return None
    return value if all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items()) else None


def average_by_decay(value: object) -> StateDict | None:
    """MIT's EMA.state_dict: one state dict under its decay."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    ((decay, inner),) = value.items()
    return state_dict_of(inner) if isinstance(decay, float) else None


WRAPPERS: tuple[tuple[str, Callable[[object], StateDict | None], str], ...] = (
    ("state_dict_ema", state_dict_of, "the moving average, as timm.models.load_checkpoint does"),
    ("ema", average_by_decay, "the moving average, as MIT's Trainer.eval_network does"),
    ("state_dict", state_dict_of, "the weights"),
    ("model", state_dict_of, "the weights, as Microsoft's main.py --eval does"),
    ("model_ema", state_dict_of, "the moving average"),
    ("model_state_dict", state_dict_of, "the weights"),
    ("net", state_dict_of, "the weights"),
)
"""Where training programs keep the weights, in order of preference: what the program's own evaluation would use."""


def unwrap(tree: object) -> Unwrapped:
    """Finds the state dict in what a file holds. Raises CheckpointError when there is none."""
    bare = state_dict_of(tree)
    if bare is not None:
        return Unwrapped(state=bare)
    if not isinstance(tree, Mapping):
        raise CheckpointError(
            got=f"a file that holds a {type(tree).__name__}",
            allowed="a state dict, or a training checkpoint with one under " + ", ".join(key for key, _, _ in WRAPPERS),
            do="save model.state_dict()",
        )
    found = [(key, state, reason) for key, look, reason in WRAPPERS if (state := look(tree.get(key))) is not None]
    if not found:
        raise CheckpointError(
            got=f"a checkpoint with {', '.join(map(repr, list(tree)[:8])) or 'nothing in it'}",
            allowed="a state dict, or a training checkpoint with one under " + ", ".join(key for key, _, _ in WRAPPERS),
            do="save model.state_dict()",
        )
    key, state, reason = found[0]
    left = [other for other, _, _ in found[1:]]
    note = f"took {key!r} from the checkpoint, {reason}" + (f"; left {', '.join(map(repr, left))}" if left else "")
    return Unwrapped(state=state, notes=(note,))


def as_size(value: object) -> tuple[int, int] | None:
    """(height, width) from N, (H, W) or (C, H, W), the forms in which timm and Microsoft write an input size, or from Hugging Face's
    {"height": H, "width": W} and {"shortest_edge": N}.
    """
    match value:
        case bool():
            return None
        case int(side):
            return side, side
        case [int(height), int(width)] | [_, int(height), int(width)] | {"height": int(height), "width": int(width)}:
            return height, width
        case {"shortest_edge": int(edge)}:
            return edge, edge
    return None
