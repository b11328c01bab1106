"""The size that weights were trained at, and what is said of it where another is used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evit_mobile.models.weights.trained_size import TrainedSize, listed, pixels, stated_size
from evit_mobile.spec import MODELS, ModelSpec
from tests.evit_mobile.models.weights.held import held

SPEC = MODELS["efficientvit_b0"]


def at(height: int, width: int) -> ModelSpec:
    return replace(SPEC, size=(height, width))


def test_what_was_stated_counts_and_else_the_variants_default() -> None:
    match = held("efficientvit_b0")
    stated = stated_size(match, {}, (192, 256))
    assert (stated.size, stated.note) == ((192, 256), "input size 192x256, as stated with the weights")
    default = stated_size(match, {}, None)
    assert default.size == (224, 224)
    assert default.note == "the weights do not say their input size; 224x224, the variant's default, is used"


@pytest.mark.parametrize(
    ("size", "note"),
    [
        ((224, 224), "of the training"),
        ((256, 256), "used at 256x256, as asked for"),
        ((64, 96), "used at 64x96, as asked for; bias tables of windows 7, 4 resized to 2, 1"),
    ],
)
def test_windows_that_another_size_changes_are_told(size: tuple[int, int], note: str) -> None:
    trained = TrainedSize(
        size=(224, 224), note="of the training", windows=lambda size: (7, 4) if min(size) >= 224 else (2, 1)
    )
    assert trained.note_at(at(*size)) == note


def test_a_model_without_tables_is_only_used_at_another_size() -> None:
    assert stated_size(held("efficientvit_b0"), {}, None).note_at(at(64, 64)) == "used at 64x64, as asked for"


def test_sizes_are_height_by_width() -> None:
    assert pixels((192, 256)) == "192x256"
    assert [listed(()), listed([7]), listed(iter((7, 4)))] == ["", "7", "7, 4"]
