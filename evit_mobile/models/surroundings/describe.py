"""What lies around a network, in words and in kind."""

from __future__ import annotations

import torch
from torch import nn
from torch.fx import GraphModule
from torch.utils.flop_counter import FlopCounterMode

from evit_mobile.models.surroundings.surrounded import Surrounded

WEIGHTED = ("conv2d", "linear")
"""Operations that have weights."""

CHOOSING = {"bmm", "cat", "chunk", "conv2d", "linear", "matmul", "select", "slice", "split", "split_with_sizes"}
"""Operations after which a class may be elsewhere, or another one."""


def account(reference: nn.Module, original: nn.Module) -> tuple[str, ...]:
    """Notes about what came along with the network."""
    if not isinstance(reference, Surrounded):
        return ()
    before, behind = operations(reference.before), operations(reference.behind)
    parts = [f"before it {', '.join(before)}"] if before else []
    parts += [f"behind it {', '.join(behind)}"] if behind else []
    name = type(original).__name__
    notes: tuple[str, ...] = (f"the whole {name} is converted: the EfficientViT, {' and '.join(parts)}",)
    if set(before) & {"add", "mul"}:
        notes += (
            f"the {name} scales its input by itself: what its images must be is for you to say; they reach it as the preprocessing says",
        )
    return notes


def around(reference: nn.Module) -> dict[str, list[str]] | None:
    """What a manifest says of the operations before and behind the network; None where there are none."""
    if not isinstance(reference, Surrounded):
        return None
    return {"before": sequence(reference.before), "behind": sequence(reference.behind)}


def measured_cost(module: nn.Module, image: tuple[int, int, int]) -> dict[str, int]:
    """Parameters, and the multiply-accumulates of layers and products for one `image` of (channels, height, width)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, *image))
    return {
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "macs": counter.get_total_flops() // 2,
    }


def operations(module: nn.Module) -> list[str]:
    """Names of the operations of a traced part, each once, in order."""
    return list(dict.fromkeys(sequence(module)))


def sequence(module: nn.Module) -> list[str]:
    """Names of the operations of a traced part, in order."""
    if not isinstance(module, GraphModule):
        return []
    nodes = [node for node in module.graph.nodes if node.op == "call_function"]
    return [str(node.target).removeprefix("aten.").split(".")[0] for node in nodes]


def has_layers(reference: nn.Module) -> bool:
    """Whether there are layers with weights behind the network."""
    return isinstance(reference, Surrounded) and any(name in WEIGHTED for name in sequence(reference.behind))


def keeps_classes(reference: nn.Module) -> bool:
    """Whether the outputs are the network's own, one by one: only scaled, or as probabilities."""
    return not isinstance(reference, Surrounded) or CHOOSING.isdisjoint(sequence(reference.behind))


def keeps_images(reference: nn.Module) -> bool:
    """Whether the network gets the images that the module is given."""
    return not isinstance(reference, Surrounded) or not sequence(reference.before)


def gives_probabilities(reference: nn.Module) -> str | None:
    """The softmax or sigmoid that comes last; None where it is neither."""
    names = sequence(reference.behind) if isinstance(reference, Surrounded) else []
    return names[-1] if names and names[-1] in ("softmax", "sigmoid") else None
