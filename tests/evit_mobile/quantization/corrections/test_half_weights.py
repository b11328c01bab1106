"""Weights rounded to fp16 by what they multiply."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule

from converters.contract import Metadata, Precision
from converters.quantized_program import exported_again, graph_module
from converters.registry import find_target
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare.forms import export
from evit_mobile.quantization.automatic import logits_of
from evit_mobile.quantization.corrections import choose
from evit_mobile.quantization.corrections.choose import with_helpful_rounding
from evit_mobile.quantization.corrections.half_weights import (
    neighbours,
    taps,
    with_half_weights,
    with_weights_of,
)
from evit_mobile.quantization.simulate import set_parameter, simulate_half

SIZE = (12, 12)


class Network(nn.Module):
    """Layers whose inputs are far from zero on average, of every kind: strided, dilated, depthwise, grouped, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16)
        self.grouped = nn.Conv2d(16, 32, 1, groups=4, bias=False)
        self.head = nn.Linear(32, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.depthwise(self.stem(x).relu()).relu()).relu()
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


def program() -> ExportedProgram:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return export(Network().eval(), SIZE)


def images(seed: int, count: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return list(torch.rand(count, 1, 3, *SIZE, generator=generator) + 1)


def to_nearest(exact: ExportedProgram) -> GraphModule:
    """The usual way."""
    module = graph_module(exact)
    for name, value in dict(module.named_parameters()).items():
        set_parameter(module, name, value.detach().half().float())
    return module


def test_errors_of_a_layer_cancel_in_the_mean() -> None:
    """Against rounding to the nearest, on images that were not seen; on the first layer exactly what the file will compute."""
    exact = program()
    seen, others = images(1), images(2)
    rounded = with_half_weights(exact, seen)
    nearest = to_nearest(exact)
    expected = logits_of(graph_module(exact), others)
    assert sqnr_db(logits_of(rounded, others), expected) > sqnr_db(logits_of(nearest, others), expected) + 6
    halves = (logits_of(simulate_half(module), others) for module in (rounded, nearest))
    by_inputs, usual = (sqnr_db(half, expected) for half in halves)
    assert by_inputs > usual + 3


def test_every_weight_is_one_of_its_two_neighbours_and_the_program_stays_as_it_was() -> None:
    exact = program()
    before = {name: value.clone() for name, value in exact.state_dict.items()}
    rounded = dict(with_half_weights(exact, images(1)).named_parameters())
    flips = 0
    for name, value in exact.state_dict.items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
        torch.testing.assert_close(rounded[name], rounded[name].half().float(), rtol=0, atol=0)
        nearest, other = neighbours(value.detach().flatten())
        flat = rounded[name].detach().flatten()
        assert ((flat == nearest) | (flat == other)).all()
        flips += int((flat != nearest).sum())
        if name.endswith("bias"):
            torch.testing.assert_close(flat, nearest, rtol=0, atol=0)
    assert 0 < flips < sum(value.numel() for value in before.values()) / 2


@pytest.mark.parametrize("target", ["coreml", "tflite", "executorch"])
def test_files_hold_the_rounded_weights(target: str, tmp_path: Path) -> None:
    """Written from them a file computes what it does written from nothing but their fp16 values: rounding again changes nothing."""
    rounded = exported_again(with_half_weights(program(), images(1)), program())
    halved = exported_again(to_nearest(rounded), rounded)
    batch = torch.cat(images(2)).numpy()
    results = []
    for number, each in enumerate((rounded, halved, program())):
        file = find_target(target)
        path = tmp_path / f"{number}{file.suffix}"
        file.lower(each, Precision.FP16, path, Metadata(description="test"))
        results.append(file.load(path)(batch))
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.integers(1, 2),
)
def test_what_each_weight_meets(kernel: tuple[int, int], stride: int, padding: tuple[int, int], dilation: int) -> None:
    """A convolution's mean result is the sum over its weights, each times the mean of what it meets."""
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(3, 4, 7, 6, generator=generator), torch.randn(1, 4, *kernel, generator=generator)
    expected = nn.functional.conv2d(x, weight, None, stride, padding, dilation).mean()
    met = taps(x, kernel, (stride, stride), padding, (dilation, dilation))
    torch.testing.assert_close((met * weight[0]).sum(), expected)


def test_numbers_that_fp16_holds_or_cannot_hold_have_no_other_side() -> None:
    values = torch.tensor([0.0, 1.0, 65504.0, 1e6, -1e6, 1 + 2**-12])
    nearest, other = neighbours(values)
    assert (nearest[:3] == values[:3]).all()
    assert (other[:5] == nearest[:5]).all()
    assert (nearest[5], other[5]) == (1.0, 1 + 2**-10)


def test_a_rounding_that_does_not_help_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: every weight rounded to its other side."""

    def wrong_way(exact: ExportedProgram, _images: Sequence[Tensor]) -> GraphModule:
        module = graph_module(exact)
        for name, value in dict(module.named_parameters()).items():
            set_parameter(module, name, neighbours(value.detach())[1])
        return module

    exact = program()
    lines: list[str] = []
    kept = with_helpful_rounding(exact, images(1, 48), lines.append)
    assert kept is not exact
    assert not lines
    monkeypatch.setattr(choose, "ROUNDINGS", (("the wrong way", wrong_way),))
    assert with_helpful_rounding(exact, images(1, 48), lines.append) is exact
    assert "to the nearest" in lines[0]


def test_another_size_takes_the_weights_over() -> None:
    rounded = exported_again(with_half_weights(program(), images(1)), program())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        larger = export(Network().eval(), (16, 20))
    taken = with_weights_of(larger, rounded)
    for name, value in rounded.state_dict.items():
        torch.testing.assert_close(taken.state_dict[name], value, rtol=0, atol=0)
    assert taken.example_inputs[0][0].shape == (1, 3, 16, 20)
