"""The tables of an M model: their sides tell the input size, another size has others, and a file's own index must be ours."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.bias_tables import check_indices, resized_bias_table, trained_size, window_sides
from evit_mobile.models.weights.match import Match
from tests.evit_mobile.models.weights.held import State, held

TABLES = {
    f"stages.{stage}.blocks.{block}.mixer.m.attn.attention_biases": f"blocks{stage + 1}.{block}.attention_biases"
    for stage, block in ((0, 0), (1, 0), (1, 1), (2, 0))
}
"""Our names and a file's."""


def tables(*sides: int) -> tuple[Match, State]:
    """M0 with tables of windows of these sides in its three stages."""
    match = held("efficientvit_m0", sources={**TABLES, "head.bn.weight": "head.bn.weight"})
    state = {key: torch.zeros(4, sides[int(name.split(".")[1])] ** 2) for name, key in TABLES.items()}
    return match, {**state, "head.bn.weight": torch.ones(3)}


def test_the_sides_of_the_windows_are_those_of_the_tables() -> None:
    assert window_sides(*tables(7, 6, 3)) == (7, 6, 3)


@pytest.mark.parametrize(("entries", "key"), [(48, "blocks1.0"), (36, "blocks2.1")])
def test_a_table_that_is_not_square_or_of_another_window_is_refused(entries: int, key: str) -> None:
    match, state = tables(7, 7, 4)
    state[f"{key}.attention_biases"] = torch.zeros(4, entries)
    with pytest.raises(CheckpointError, match=f"a bias table of {entries} entries a head in '{key}"):
        window_sides(match, state)


@pytest.mark.parametrize(
    ("sides", "recorded", "size", "note"),
    [
        ((4, 2, 1), None, (64, 64), "input size 64x64, from the bias tables"),
        ((7, 7, 4), None, (224, 224), "bias tables alike at 224 and 256 pixels; 224 is used"),
        ((7, 7, 4), (256, 256), (256, 256), "input size 256x256, as stated with the weights"),
        ((7, 6, 3), (192, 256), (192, 256), "input size 192x256, as stated with the weights"),
        (
            (7, 7, 4),
            (512, 512),
            (224, 224),
            "512x512, the input size stated with the weights, is not that of their bias tables; "
            "bias tables alike at 224 and 256 pixels; 224 is used",
        ),
        ((7, 7, 7), None, (416, 416), "bias tables alike at 416 and 448, 480, 512 pixels; 416 is used"),
    ],
)
def test_tables_tell_the_size(
    sides: tuple[int, ...], recorded: tuple[int, int] | None, size: tuple[int, int], note: str
) -> None:
    found = trained_size(*tables(*sides), recorded)
    assert (found.size, found.note) == (size, note)
    assert found.windows(size) == sides


@pytest.mark.parametrize("sides", [(7, 3, 4), (8, 7, 4), (1, 2, 3)])
def test_windows_of_no_size_are_refused(sides: tuple[int, ...]) -> None:
    with pytest.raises(CheckpointError, match="bias tables of windows of {}, {}, {} cells".format(*sides)):
        trained_size(*tables(*sides), None)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("side", [1, 2, 7, 9])
def test_a_table_is_resized_over_its_two_offsets(side: int, antialias: bool) -> None:
    """What is alike along an offset stays alike along it, and each head has its own."""
    rows = torch.tensor([[0.0, 1.0, 3.0, 9.0], [-2.0, 0.0, 0.5, 1.0]])  # of two heads, by the offset of the row
    table = rows[:, :, None].expand(2, 4, 4).reshape(2, 16)
    found = resized_bias_table(table, side * side, antialias=antialias).view(2, side, side)
    assert torch.allclose(found, found[:, :, :1].expand_as(found), atol=1e-5)
    across = resized_bias_table(table.view(2, 4, 4).transpose(1, 2).reshape(2, 16), side**2, antialias=antialias)
    assert torch.allclose(across.view(2, side, side), found.transpose(1, 2), atol=1e-5)
    assert not torch.allclose(found[0], found[1])
    flat = resized_bias_table(torch.full((2, 16), 0.5), side * side, antialias=antialias)
    assert torch.allclose(flat, torch.full((2, side * side), 0.5), atol=1e-6)


def test_a_smaller_table_is_filtered_as_its_origin_does() -> None:
    table = torch.tensor([[1.0, -1.0] * 32]).view(1, 64)
    with_filter, without = (resized_bias_table(table, 9, antialias=antialias) for antialias in (True, False))
    assert with_filter.abs().max() < without.abs().max()
    assert resized_bias_table(table, 64, antialias=True) is table


def indices(change: Tensor) -> State:
    return {key.replace("attention_biases", "attention_bias_idxs"): change for key in TABLES.values()}


def test_an_index_in_the_file_is_ours_or_refused() -> None:
    match, state = tables(2, 2, 2)
    own = torch.tensor([[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]])  # by hand: 2 rows + columns apart
    check_indices(match, state)
    check_indices(match, {**state, **indices(own)})
    with pytest.raises(CheckpointError, match=r"an index other than Microsoft's into the bias table 'blocks1\.0\."):
        check_indices(match, {**state, **indices(own.flip(0))})
