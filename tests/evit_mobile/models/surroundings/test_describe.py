"""What lies around a network is told in words, in the manifest's form and by what it does to classes and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.surroundings.describe import (
    account,
    around,
    gives_probabilities,
    has_layers,
    keeps_classes,
    keeps_images,
    measured_cost,
    operations,
)
from evit_mobile.models.surroundings.surrounded import Surrounded
from tests.evit_mobile.models.surroundings.graphs import IMAGE, Forward, graph_of

Step = Callable[[Any, Tensor], Tensor]


def surrounded(before: Step | None, behind: Step | None) -> Surrounded:
    """A network of 5 classes between two parts of a forward."""
    parts = [
        nn.Identity() if step is None else graph_of(Forward(step, head=nn.Linear(5, 4)), torch.zeros(shape))
        for step, shape in ((before, IMAGE), (behind, (1, 5)))
    ]
    return Surrounded(parts[0], nn.Flatten(), parts[1])


def scaled(_: Any, x: Tensor) -> Tensor:
    return x * 2 + 1


def softmax(_: Any, x: Tensor) -> Tensor:
    return (x * 3).softmax(1)


def test_a_module_around_is_accounted_for_by_its_operations() -> None:
    whole, scales = account(surrounded(scaled, softmax), nn.Sequential())
    assert whole == "the whole Sequential is converted: the EfficientViT, before it mul, add and behind it mul, softmax"
    assert scales.startswith("the Sequential scales its input by itself")
    (behind,) = account(surrounded(None, softmax), nn.Sequential())
    assert behind.endswith("the EfficientViT, behind it mul, softmax")
    (flipped,) = account(surrounded(lambda _, x: torch.relu(x), None), nn.Sequential())
    assert flipped.endswith("the EfficientViT, before it relu")
    assert account(nn.Flatten(), nn.Sequential()) == ()


def test_the_manifest_has_every_operation_in_order() -> None:
    assert around(surrounded(scaled, lambda m, x: m.head(x) * 2 * 3)) == {
        "before": ["mul", "add"],
        "behind": ["linear", "mul", "mul"],
    }
    assert around(surrounded(None, softmax)) == {"before": [], "behind": ["mul", "softmax"]}
    assert around(nn.Flatten()) is None


def test_words_have_every_operation_once() -> None:
    graph = graph_of(Forward(lambda m, x: m.head(x * 2) * 2, head=nn.Linear(5, 4)), torch.zeros(1, 5))
    assert operations(graph) == ["mul", "linear"]
    assert operations(nn.Identity()) == []


@pytest.mark.parametrize(
    ("before", "behind", "layers", "classes", "images", "probabilities"),
    [
        (None, None, False, True, True, None),
        (scaled, None, False, True, False, None),
        (None, softmax, False, True, True, "softmax"),
        (None, lambda _, x: torch.sigmoid(x), False, True, True, "sigmoid"),
        (None, lambda _, x: torch.sigmoid(x) * 100, False, True, True, None),
        (None, lambda m, x: m.head(x), True, False, True, None),
        (None, lambda m, x: m.head(x).softmax(1), True, False, True, "softmax"),
        (None, lambda _, x: x[:, 1:], False, False, True, None),
        (scaled, lambda _, x: torch.cat([x[:, 2:], x], 1), False, False, False, None),
    ],
)
def test_what_is_kept_and_what_is_given(
    before: Step | None,
    behind: Step | None,
    layers: bool,
    classes: bool,
    images: bool,
    probabilities: str | None,
) -> None:
    reference = surrounded(before, behind)
    found = (has_layers(reference), keeps_classes(reference), keeps_images(reference), gives_probabilities(reference))
    assert found == (layers, classes, images, probabilities)


def test_a_network_alone_gives_its_own_classes_for_its_own_images() -> None:
    alone = nn.Linear(2, 2)
    assert (keeps_classes(alone), keeps_images(alone)) == (True, True)
    assert (has_layers(alone), gives_probabilities(alone)) == (False, None)


def test_costs_are_those_of_one_image() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    assert measured_cost(module, IMAGE[1:]) == {
        "params": 4 * 27 + 2 * 144 + 2,
        "macs": 36 * 4 * 27 + 2 * 144,
    }
