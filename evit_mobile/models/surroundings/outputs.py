"""The one output of a module, by whatever structure its forward returns it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.leaf import FINAL


class OneOutput(nn.Module):
    """`module` as a function of one image (1, 3, H, W) to one tensor."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return only_tensor(self.module(x.clone()), type(self.module).__name__)


def only_tensor(output: object, name: str) -> Tensor:
    """The one tensor that a forward returns, by itself or in a tuple, a dictionary or a dataclass, and of the stages of MIT's backbone
    the last. Raises CheckpointError for several.
    """
    found = dict(named_tensors(output))
    if list(found)[-1:] == [FINAL] and "stage0" in found:
        return found[FINAL]
    if len(found) == 1:
        return next(iter(found.values()))
    shapes = ", ".join(f"{key} {tuple(tensor.shape)}" for key, tensor in found.items())
    raise CheckpointError(
        got=f"a {name} that returns {type(output).__name__}"
        + (f" with {len(found)} outputs: {shapes}" if found else ""),
        allowed="one output: a tensor, or a tuple, dictionary or dataclass with one, such as `logits`",
        do="wrap the module in one whose forward returns the output to convert; convert once per output",
    )


def named_tensors(output: object) -> list[tuple[str, Tensor]]:
    """The tensors of what a forward returns, by the name under which they are found."""
    match output:
        case Tensor():
            return [("output", output)]
        case Mapping():
            items = [(str(key), value) for key, value in output.items()]
        case list() | tuple():
            items = [(f"output {place}", value) for place, value in enumerate(output)]
        case _ if is_dataclass(output):
            items = [(field.name, getattr(output, field.name)) for field in fields(output)]
        case _:
            items = []
    return [
        (key if name == "output" else f"{key}.{name}", value)
        for key, item in items
        for name, value in named_tensors(item)
    ]
