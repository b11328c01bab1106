"""The network stands in for itself while what lies around it is traced: a call of it becomes one operation of the graph.

Either the network's whole forward is that operation, or its trunk: the parts, one behind the other, up to the last stage's features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

FINAL = "stage_final"
"""Under which MIT's backbones return the last stage's features."""


class NotCalledError(Exception):
    """The forward does not call what stands in for the network."""


class IntermediateError(Exception):
    """The forward looks into the network. The message says where."""


@torch.library.custom_op("evit_mobile::network", mutates_args=())
def network_call(x: Tensor, part: int, shape: Sequence[int]) -> Tensor:  # noqa: ARG001  # the operation's signature
    """A part of the network, in a graph: the image or the part before -> zeros of `shape`."""
    return x.new_zeros(shape)


@network_call.register_fake
def _(x: Tensor, part: int, shape: Sequence[int]) -> Tensor:  # noqa: ARG001  # the operation's signature
    return x.new_empty(shape)


NETWORK = torch.ops.evit_mobile.network.default
"""`network_call` in a graph."""


class Leaf(nn.Module):
    """A part of the network in its place. `shape` is its output's, None for a part that another follows."""

    def __init__(self, part: int, shape: Sequence[int] | None, *, stages: bool) -> None:
        super().__init__()
        self.part, self.shape, self.stages = part, shape, stages

    def forward(self, x: Tensor) -> Any:
        out: Tensor = network_call(x, self.part, self.shape or x.shape)
        return FinalStage({FINAL: out}) if self.stages else out

    def apart(self, *_: object) -> NoReturn:
        """What taking one of several stages comes to."""
        raise IntermediateError("takes the network's stages one by one")

    __iter__ = __getitem__ = __len__ = apart


class FinalStage(dict[str, Tensor]):
    """What MIT's backbones return, with nothing but the last stage's features."""

    def __missing__(self, key: str) -> NoReturn:
        raise IntermediateError(f"takes {key!r} of the backbone's stages")


class Untouched(nn.Module):
    """A part of the network that only the network itself may run."""

    def forward(self, *_: object) -> NoReturn:
        raise NotCalledError

    __iter__ = __getitem__ = __len__ = forward


@contextmanager
def standing_in(
    network: nn.Module, trunk: Sequence[str], shape: Sequence[int], *, whole: bool, stages: bool
) -> Iterator[None]:
    """Within, the parts of `network` at the paths `trunk` are operations, the last with an output of `shape`; or the `whole` network is
    one. With `stages` the output is in a dictionary.
    """
    parts = [(path, network.get_submodule(path)) for path in trunk]
    own = {name: value for name, value in vars(network).items() if name == "forward"}  # which a user may have put there
    last = Leaf(0 if whole else len(trunk) - 1, shape, stages=stages)
    if whole:
        network.__dict__["forward"] = last.forward
    for index, path in enumerate(trunk):
        leaf = last if index == last.part else Leaf(index, None, stages=False)
        network.set_submodule(path, Untouched() if whole else leaf)
    try:
        yield
    finally:
        network.__dict__.pop("forward", None)
        network.__dict__.update(own)
        for path, part in parts:
            network.set_submodule(path, part)
