"""A forward is cut at the one call of the network; one that goes round it, through it in parts or twice is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx import Graph, GraphModule

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.cut import Section, intermediate, split
from evit_mobile.models.surroundings.leaf import NETWORK, network_call
from tests.evit_mobile.models.surroundings.graphs import IMAGE, Forward, graph_of

TAKEN = IMAGE[1:]
Step = Callable[[Any, Tensor], Tensor]


def net(x: Tensor) -> Tensor:
    """What stands for a whole network of 5 classes in a trace."""
    return network_call(x, 0, (1, 5))


def sections(forward: Step, **parts: Any) -> tuple[Section, Section]:
    return split(graph_of(Forward(forward, **parts), torch.zeros(IMAGE)), "Wrap", TAKEN)


def value(section: Section, x: Tensor) -> Tensor:
    assert section.graph is not None
    out: Tensor = GraphModule(section.root, section.graph)(x)
    return out


def test_what_lies_before_and_what_lies_behind_are_sections_of_their_own() -> None:
    scale = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    before, behind = sections(
        lambda m, x: net(x * m.scale - 1).softmax(1) * m.linear.bias.sum(), scale=scale, linear=nn.Linear(1, 5)
    )
    image, logits = torch.randn(IMAGE), torch.randn(1, 5)
    assert torch.equal(value(before, image), image * scale - 1)
    assert torch.allclose(value(behind, logits), logits.softmax(1) * behind.root.linear.bias.sum())
    assert (before.example.shape, behind.example.shape) == (IMAGE, (1, 5))


def test_a_network_alone_has_nothing_around_it() -> None:
    before, behind = sections(lambda _, x: net(x))
    assert (before.graph, behind.graph) == (None, None)


def test_the_parts_of_a_trunk_are_one_network() -> None:
    before, behind = sections(lambda _, x: network_call(network_call(x + 1, 0, x.shape), 1, (1, 4, 2, 2)).mean((2, 3)))
    assert torch.equal(value(before, torch.zeros(IMAGE)), torch.ones(IMAGE))
    assert value(behind, torch.ones(1, 4, 2, 2)).tolist() == [[1.0] * 4]


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda _, x: net(x) + net(x.flip(3)), "a Wrap whose forward calls the EfficientViT 2 times"),
        (lambda _, x: net(x[:, :, :4]), r"a tensor of shape \(1, 3, 4, 8\) in place of \(1, 3, 8, 8\)"),
        (lambda _, x: net(torch.cat([x, x])), r"a tensor of shape \(2, 3, 8, 8\) in place of"),
        (lambda _, x: net(x) * x.mean(), "goes round the EfficientViT: mul also reads the image"),
        (lambda _, x: network_call(x, 1, (1, 5)), "takes the network apart"),
        (lambda _, x: network_call(network_call(x, 0, x.shape) * 2, 1, (1, 5)), "takes the network apart"),
        (
            lambda _, x: network_call(y := network_call(x, 0, x.shape), 1, (1, 5)) + y.mean(),
            "takes the network apart, which are features from within",
        ),
    ],
)
def test_a_network_that_is_not_called_once_from_end_to_end_is_refused(forward: Step, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        sections(forward)


class Side(nn.Module):
    def forward(self, logits: Tensor, image: Tensor) -> Tensor:
        return logits - image.mean((2, 3)).amax(1, keepdim=True)


def test_calls_around_the_network_are_named_with_their_place() -> None:
    with pytest.raises(CheckpointError, match="round the EfficientViT: sub in 'side' also reads the image"):
        sections(lambda m, x: m.side(net(x), x), side=Side())


def test_an_output_that_ignores_the_network_is_refused() -> None:
    """torch takes such a call out of a trace; a graph of one's own may have it."""
    graph = Graph()
    image = graph.placeholder("x")
    network = graph.call_function(NETWORK, (image, 0, (1, 5)))
    for node, shape in ((image, IMAGE), (network, (1, 5))):
        node.meta["val"] = torch.zeros(shape)
    graph.output(image)
    with pytest.raises(CheckpointError, match="its output ignores the network"):
        split(GraphModule(nn.Module(), graph), "Wrap", TAKEN)


def test_who_looks_into_the_network_is_told_where() -> None:
    error = intermediate("Decoder", "takes 'stage2'")
    assert error.got == "a Decoder whose forward takes 'stage2', which are features from within the EfficientViT"
