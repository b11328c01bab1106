"""One piece of the images, counted as they come: which images it has, whose they are, and what runs them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calib.errors import DataError
from calib.preprocess import Preprocess
from converters.errors import ArtefactError, ToolchainError
from converters.tflite import judges
from evit_mobile.commands import counting
from evit_mobile.commands.counting import (
    Count,
    Source,
    check_classes,
    count_piece,
    counted,
    judge_of,
    labelled_source,
    payload_of,
)
from evit_mobile.errors import UsageError
from evit_mobile.images.data import everything
from evit_mobile.labels import Classes
from evit_mobile.progress import silent
from evit_mobile.spec import Task
from evit_mobile.validation.tally import Tally
from tests.manifests import MANIFEST, of_model


def test_pieces_count_what_the_whole_does(source: Source) -> None:
    count = Count(path="a.tflite")
    whole = counted(count, 0, 1, silent)
    assert whole is not None
    assert whole.images == 100
    assert 0 < whole.hits < 100
    for of in (2, 3, 8):
        parts = [part for piece in range(of) if (part := counted(count, piece, of, silent)) is not None]
        total = sum(parts[1:], parts[0])
        assert total.images == 100
        if source.size is None:  # the stand-in for arrays looks at positions in a batch
            assert total.to_json() == whole.to_json()


@pytest.mark.usefixtures("source")
def test_what_goes_to_another_process_is_json_there_and_back() -> None:
    payload = json.loads(json.dumps(payload_of(Count(path="a.tflite", limit=7), 1, 4)))
    assert payload == {
        "count": {
            "path": "a.tflite",
            "images": None,
            "labels": None,
            "limit": 7,
            "on": None,
            "with_reference": False,
        },
        "piece": 1,
        "of": 4,
    }
    answer = json.loads(json.dumps(count_piece(payload, silent)))
    here = counted(Count(path="a.tflite", limit=7), 1, 4, silent)
    assert here is not None
    assert Tally.from_json(answer["tally"]).to_json() == here.to_json()


def test_pieces_have_every_image_once(source: Source) -> None:
    parts = [labels for piece in range(3) for _, labels in source.batches(piece, 3, None)]
    whole = [labels for _, labels in source.batches(0, 1, None)]
    assert sum(map(len, parts)) == sum(map(len, whole)) == 100
    assert sorted(np.concatenate(parts)) == sorted(np.concatenate(whole))


def test_progress_is_told_every_so_many_images(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(counting, "TELL_IMAGES", 40)
    counted(Count(path="a.tflite"), 0, 1, told.append)
    assert [int(line.split()[0]) // 40 for line in told] == [1, 2], source.name


@pytest.mark.parametrize(("labels", "fits"), [([0, 9], True), ([], True), ([10], False), ([-1, 3], False)])
def test_labels_are_classes_of_the_model(labels: list[int], fits: bool) -> None:
    given = np.array(labels, np.int64)
    if fits:
        check_classes(given, Classes(logits=10), "here")
    else:
        with pytest.raises(
            DataError, match=rf"labels {min(labels)}\.\.{max(labels)} in here .*; allowed: labels 0\.\.9"
        ):
            check_classes(given, Classes(logits=10), "here")


@pytest.mark.parametrize("task", [Task.SEGMENTATION, Task.MULTILABEL, Task.FEATURES])
def test_only_a_classifier_has_such_accuracies(task: Task) -> None:
    with pytest.raises(UsageError, match=rf"a\.tflite, whose task is {task}.*evit-mobile validate out/a\.tflite"):
        labelled_source(Count(path="out/a.tflite"), of_model(task=task))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "photos.npy", np.zeros((3, 40, 40, 3), np.uint8))
    with pytest.raises(DataError, match=r"images without labels in .*photos\.npy"):
        labelled_source(Count(path="a.tflite", images=str(tmp_path / "photos.npy")), MANIFEST)


def test_a_source_knows_how_many_there_are_and_who_they_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4, 40, 40, 3), np.uint8)
    np.savez(tmp_path / "photos.npz", images=pixels, labels=[0, 1, 2, 9])
    found = labelled_source(Count(path="a.tflite", images=str(tmp_path / "photos.npz"), limit=3), MANIFEST)
    assert (found.size, found.identity, found.preprocess) == (3, "3", Preprocess(size=(32, 32)))
    ((images, labels),) = found.batches(0, 1, None)
    assert images.shape == (3, 3, 32, 32)
    assert labels.tolist() == [0, 1, 2]
    whole = replace(found, opened=everything(None, found.preprocess, 5))
    assert whole.size == 5


def test_a_judge_is_the_one_that_is_named_and_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tflite"
    with pytest.raises(ArtefactError, match="does not exist"):
        judge_of(Count(path=str(path)))
    path.touch()
    assert judge_of(Count(path=str(path))).runtime == judge_of(Count(path=str(path), on="xnnpack")).runtime
    monkeypatch.setattr(judges.ArmInQemu, "missing", lambda _self: "install qemu-user")
    with pytest.raises(ToolchainError, match=r"--on arm, which does not run here; .*; install qemu-user"):
        judge_of(Count(path=str(path), on="arm"))
