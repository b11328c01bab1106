"""What a conversion does is counted, whatever a machine's speed: exports, runs of the reference, copies of the weights."""

from __future__ import annotations

import gc
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from converters.contract import FloatType, Precision
from evit_mobile.prepare import forms
from evit_mobile.prepare.lowerable import Lowerable
from evit_mobile.prepare.preparation import prepare
from tests.evit_mobile.prepare.tiny import CLASSES, Kept, asked

WIDE = 160
"""Channels of a layer whose weights are far larger than anything else in the process that has their shape."""


class Wide(nn.Module):
    """Its weights are found by their shape."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide = nn.Conv2d(3, WIDE, 1), nn.Conv2d(WIDE, WIDE, 3, padding=1)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(WIDE, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.relu(self.wide(torch.relu(self.stem(x)))))
        return self.head(x.flatten(1))


@pytest.fixture(scope="module")
def counted() -> tuple[Counter[str], dict[FloatType, Lowerable]]:
    """An int8 request for three targets, and how often what was done for it."""
    counts: Counter[str] = Counter()
    torch.manual_seed(0)
    network = Wide().eval().requires_grad_(False)

    def count(module: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> None:
        if module is network:  # copies have the hook as well
            counts.update(images=len(inputs[0]))

    network.register_forward_hook(count)
    export = forms.torch.export.export

    def counted_export(*arguments: object, **options: object) -> object:
        counts["exports"] += 1
        return export(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms.torch.export, "export", counted_export)
        request = asked(network, Precision.INT8, *(Kept(FloatType.FP32) for _ in range(3)))
        prepared = prepare(request, lambda _: None)
    gc.collect()
    kept = {
        (tensor.dtype, tensor.untyped_storage().data_ptr())
        for tensor in gc.get_objects()
        if type(tensor) in (Tensor, nn.Parameter) and tensor.shape == (WIDE, WIDE, 3, 3)
    }
    counts.update(str(dtype) for dtype, _ in kept)
    counts["held out"] = len(request.held_out)
    return counts, prepared


def test_all_targets_share_one_export(counted: tuple[Counter[str], dict[FloatType, Lowerable]]) -> None:
    counts, prepared = counted
    assert counts["exports"] == 1
    assert len({id(one) for one in prepared.values()}) == 1


def test_the_reference_runs_every_held_out_image_once(
    counted: tuple[Counter[str], dict[FloatType, Lowerable]],
) -> None:
    counts, _ = counted
    assert counts["images"] == counts["held out"]


def test_weights_are_kept_once_as_they_came_and_once_as_they_are_written(
    counted: tuple[Counter[str], dict[FloatType, Lowerable]],
) -> None:
    counts, _ = counted
    assert (counts["torch.float32"], counts["torch.int8"]) == (2, 1)


def test_a_form_that_is_known_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    rewrite = forms.rewrite
    monkeypatch.setattr(forms, "rewrite", lambda *arguments: made.append(1) or rewrite(*arguments))
    request = asked(Wide().eval(), Precision.INT8, Kept(FloatType.FP32))
    plain = forms.rewritten(request)[FloatType.FP32]
    assert forms.rewritten(request, plain)[FloatType.FP32] is plain
    assert len(made) == 1
