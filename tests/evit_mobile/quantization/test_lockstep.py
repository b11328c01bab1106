"""Operations run on all images in turn; what a reader changes reaches those behind it, and nothing is kept longer than it is read."""

from __future__ import annotations

import weakref

import torch
from torch import Tensor, nn

from converters.quantized_program import graph_module
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.lockstep import in_lockstep
from evit_mobile.quantization.simulate import run_images

IMAGES = [*torch.randn(3, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))]


class Small(nn.Module):
    """With a constant that is the same for all images."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1)
        self.register_buffer("shift", torch.ones(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layer(x) + self.shift)


def test_every_result_is_that_of_every_image() -> None:
    module = graph_module(export(Small(), (4, 4)))
    results = {node.name: values.clone() for node, values in in_lockstep(module, IMAGES)}
    assert torch.equal(results["relu"], run_images(module, IMAGES))
    assert results["relu"].shape == (3, 1, 2, 4, 4)
    assert results["shift"].shape == (3, 2, 1, 1)


def test_what_a_reader_changes_reaches_the_operations_behind_it() -> None:
    module = graph_module(export(Small(), (4, 4)))
    for node, values in in_lockstep(module, IMAGES):
        if node.name == "conv2d":
            values.zero_()
    assert torch.equal(values, torch.ones(3, 1, 2, 4, 4))  # the shift alone


def test_a_result_goes_when_its_last_reader_has_run() -> None:
    module = graph_module(export(Small(), (4, 4)))
    alive: dict[str, weakref.ref[Tensor]] = {}
    gone: dict[str, list[str]] = {}
    for node, values in in_lockstep(module, IMAGES):
        gone[node.name] = [name for name, one in alive.items() if one() is None]
        alive[node.name] = weakref.ref(values)
        del values
    assert "conv2d" in gone["relu"]
    assert "add" not in gone["relu"]
