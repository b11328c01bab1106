"""Selections: deterministic, balanced, distinct, and never the same content on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from calib.datasets import ArrayDataset, ImageDataset
from calib.errors import DataError
from calib.images import content_digest
from calib.opening import open_dataset
from calib.preprocess import Preprocess
from calib.splits import Selection, on_calibration_side, select, select_calibration, select_held_out

PREPROCESS = Preprocess(size=(8, 8))


def dataset(contents: list[int], labels: list[int] | None = None, source: str = "memory") -> ArrayDataset:
    """One image per number; equal numbers give equal images."""
    images = np.stack([np.frombuffer(f"{number:08d}".encode() * 2, np.uint8).reshape(4, 4) for number in contents])
    return ArrayDataset(source=source, images=images, labels=None if labels is None else np.array(labels, np.int64))


def test_classes_are_balanced_and_interleaved() -> None:
    labels = [0] * 100 + [1] * 40 + [2] * 3
    chosen = select(dataset(list(range(143)), labels), 33)
    assert chosen.labels is not None
    assert np.bincount(chosen.labels).tolist() == [15, 15, 3]
    assert len(set(chosen.labels[:3])) == 3


def test_balance_survives_the_side_and_duplicates() -> None:
    contents = list(range(400)) + list(range(400))
    labels = [number % 4 for number in contents]
    chosen = select_calibration(dataset(contents, labels), 80, shared=True)
    assert chosen.labels is not None
    assert np.bincount(chosen.labels).tolist() == [20, 20, 20, 20]


def test_the_choice_is_fixed_by_the_seed_and_pinned() -> None:
    many = dataset(list(range(100)))
    assert select(many, 5, seed=3) == select(many, 5, seed=3)
    assert select(many, 5, seed=3) != select(many, 5, seed=4)
    assert select(many, 5, seed=0).indices == (87, 46, 15, 44, 99)  # a change breaks published digests


def test_duplicates_count_once() -> None:
    chosen = select(dataset([1, 1, 1, 2, 2, 3]), 6)
    assert len(chosen) == 3
    assert len(set(chosen.contents)) == 3


def test_too_few_images_are_an_error() -> None:
    with pytest.raises(DataError, match="3 usable distinct images among the 6") as caught:
        select(dataset([1, 1, 1, 2, 2, 3]), 6, minimum=4)
    assert caught.value.exit_code == 2


def test_fewer_than_wanted_is_fine_down_to_the_minimum() -> None:
    assert len(select(dataset([1, 2, 3]), 500)) == 3


def test_a_selection_decodes_no_more_than_it_needs(tmp_path: Path) -> None:
    for name in "abcdefgh":
        Image.fromarray(np.full((4, 4), ord(name), np.uint8)).save(tmp_path / f"{name}.png")
    wanted = select(open_dataset(tmp_path), 3).indices
    for index, name in enumerate("abcdefgh"):
        if index not in wanted:
            (tmp_path / f"{name}.png").write_bytes(b"planted")
    assert select(open_dataset(tmp_path), 3).indices == wanted
    with pytest.raises(DataError, match="unreadable image"):
        select(open_dataset(tmp_path), 4)


def split(
    calibration: ImageDataset, held_out: ImageDataset, *, calibration_count: int, held_out_count: int, seed: int = 0
) -> tuple[Selection, Selection]:
    """Images to calibrate with and to judge with, as a conversion selects them."""
    shared = calibration.source == held_out.source
    chosen = select_calibration(calibration, calibration_count, seed=seed, shared=shared)
    return chosen, select_held_out(held_out, chosen, held_out_count, seed=seed)


@settings(max_examples=60)
@given(
    calibration=st.lists(st.integers(0, 60), min_size=12, max_size=60),
    held_out=st.lists(st.integers(0, 60), min_size=12, max_size=60),
    seed=st.integers(0, 5),
)
def test_overlapping_sources_never_share_an_image(calibration: list[int], held_out: list[int], seed: int) -> None:
    first, second = dataset(calibration, source="a"), dataset([*held_out, 1000], source="b")
    calibrating, judging = split(first, second, calibration_count=10, held_out_count=1000, seed=seed)
    assert not set(calibrating.contents) & set(judging.contents)
    used = {calibration[index] for index in calibrating.indices}
    assert {[*held_out, 1000][index] for index in judging.indices} == {*held_out, 1000} - used


@settings(max_examples=60)
@given(numbers=st.lists(st.integers(0, 500), min_size=60, max_size=90, unique=True), seed=st.integers(0, 5))
def test_one_source_is_split_by_content(numbers: list[int], seed: int) -> None:
    contents = numbers + numbers[::3]
    shared = dataset(contents)
    calibrating, judging = split(shared, shared, calibration_count=5, held_out_count=1000, seed=seed)
    assert all(on_calibration_side(content) for content in calibrating.contents)
    assert not any(on_calibration_side(content) for content in judging.contents)
    other_side = {number for number in contents if not on_calibration_side(content_digest(dataset([number]).item(0)))}
    assert {contents[index] for index in judging.indices} == other_side


def test_the_side_depends_on_nothing_else() -> None:
    """An image calibrating with one seed and count is never held out with another, nor when files come and go."""
    contents = list(range(300))
    sides = [
        split(dataset(numbers), dataset(numbers), calibration_count=count, held_out_count=300, seed=seed)
        for seed, count, numbers in ((0, 300, contents), (1, 40, contents[50:]), (2, 7, contents[::-1]))
    ]
    calibrating = {content for side, _ in sides for content in side.contents}
    held_out = {content for _, side in sides for content in side.contents}
    assert not calibrating & held_out
    assert 0.4 < len(calibrating) / 300 < 0.6


def test_unknown_calibration_leaves_the_held_out_side() -> None:
    shared = dataset(list(range(100)))
    calibration = select_calibration(shared, 100, shared=True, seed=5)
    later = select_held_out(shared, None, 100, seed=9)
    assert not set(calibration.contents) & set(later.contents)


def test_the_same_folder_under_another_path_shares_nothing(tmp_path: Path) -> None:
    for value in range(30):
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / f"{value}.png")
    (tmp_path.parent / "alias").symlink_to(tmp_path)
    first, second = open_dataset(tmp_path), open_dataset(tmp_path.parent / "alias")
    assert first.source == second.source
    calibrating, judging = split(first, second, calibration_count=30, held_out_count=30)
    assert not set(calibrating.contents) & set(judging.contents)


def test_an_identical_copy_leaves_nothing_to_judge_with() -> None:
    with pytest.raises(DataError, match="0 usable distinct images"):
        split(dataset([1, 2, 3]), dataset([3, 2, 1], source="copy"), calibration_count=3, held_out_count=3)


def test_digest_depends_on_images_labels_and_preprocessing_only() -> None:
    chosen = select(dataset([1, 2, 3], [0, 1, 0]), 3)
    digests = {
        chosen.digest(PREPROCESS),
        select(dataset([1, 2, 4], [0, 1, 0]), 3).digest(PREPROCESS),
        select(dataset([1, 2, 3], [0, 1, 1]), 3).digest(PREPROCESS),
        select(dataset([1, 2, 3]), 3).digest(PREPROCESS),
        chosen.digest(Preprocess(size=(8, 8), mean=(0.5, 0.5, 0.5))),
    }
    assert len(digests) == 5
    assert select(dataset([1, 2, 3], [0, 1, 0], source="moved"), 3).digest(PREPROCESS) in digests
