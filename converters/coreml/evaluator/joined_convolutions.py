"""Convolutions of one input as a single one of all their weights, such as those of queries, keys and values."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from converters.coreml.evaluator.operators import conv
from converters.coreml.evaluator.step import Finish, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Channels:
    """The finished result in parts of so many channels."""

    counts: list[int]
    finish: Finish

    def __call__(self, output: Any) -> tuple[Tensor, ...]:
        (whole,) = self.finish(output)
        return tuple(whole.split_with_sizes(self.counts, 1))


def with_joined_convolutions(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps of a program, each convolution with those that take the same input in the same way."""
    groups: dict[Hashable, list[Step]] = {}
    for step in steps:
        groups.setdefault(_way(step), []).append(step)
    for step in steps:
        group = groups[_way(step)]
        if group[0] is step:
            yield step if len(group) == 1 else _joined(group)


def _way(step: Step) -> Hashable:
    """What convolutions have to share. Everything else, with its results, is alone in it."""
    words = step.kernel.keywords
    if step.kernel.func is not conv or words["groups"] != 1 or step.operands.keys() != {"x"}:
        return step.results
    attributes = (tuple(words[key]) for key in ("strides", "pad_type", "pad", "dilations"))
    return (step.operands["x"], step.finish, words.keys() >= {"bias"}, words["weight"].shape[1:], *attributes)


def _joined(group: Sequence[Step]) -> Step:
    words: dict[str, Any] = dict(group[0].kernel.keywords)
    words |= {
        key: torch.cat([step.kernel.keywords[key] for step in group]) for key in ("weight", "bias") if key in words
    }
    counts = [len(step.kernel.keywords["weight"]) for step in group]
    return replace(
        group[0],
        kernel=partial(conv, **words),
        results=tuple(name for step in group for name in step.results),
        finish=Channels(counts=counts, finish=group[0].finish),
    )
