"""A cell's name is that of its content: the request, its images and weights, the evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calib.errors import DataError
from evit_mobile.errors import UsageError
from evit_mobile.models.bundled import bundled_checkpoint
from evit_mobile.request import ConvertRequest
from evit_mobile.sweeps.digest import DIGITS, Digests, images_digest, titled, weights_file
from evit_mobile.sweeps.plan import EvaluationPlan, SweepPlan

M0 = ConvertRequest.of("efficientvit_m0", formats=["tflite"], size=(64, 96))


def test_a_name_changes_with_all_that_matters_and_nothing_else(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for index in range(2):
        (photos / str(index)).mkdir(parents=True)
    weights = tmp_path / "own.pth"
    weights.write_bytes(b"a")

    def name(**options: Any) -> str:
        asked = {"weights": str(weights), "calib": str(tmp_path / "images.npy"), **options}
        (request,), _ = SweepPlan.of({"models": [asked], "sizes": [64], "formats": ["tflite"]}).requests()
        return Digests().cell(request, None).name

    import numpy as np

    images = np.zeros((4, 8, 8, 3), np.uint8)
    np.save(tmp_path / "images.npy", images)
    first = name()
    assert name() == first == name(cache=False)
    assert name(seed=1) != first
    weights.write_bytes(b"b")
    second = name()
    assert second != first
    images[0] = 1
    np.save(tmp_path / "images.npy", images)
    assert name() != second


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (request,), _ = SweepPlan.of({"models": [{"weights": str(tmp_path / "no.pth")}], "formats": ["tflite"]}).requests()
    with pytest.raises(UsageError, match="does not exist"):
        Digests().cell(request, None)


@pytest.mark.parametrize(
    ("options", "title"),
    [
        ({}, "efficientvit_m0 int8"),
        ({"model": "efficientvit_b0", "size": (64, 96), "formats": ["coreml"]}, "efficientvit_b0 64x96 int8 coreml"),
        ({"weights": "runs/own b1.pth", "precision": "fp16"}, "own b1 fp16"),
    ],
)
def test_a_title_says_what_differs(options: dict[str, Any], title: str) -> None:
    assert titled(ConvertRequest.of(**options)) == title


def test_a_name_is_a_folder_on_every_system(tmp_path: Path) -> None:
    weights = tmp_path / "own b1 (best).pth"
    weights.write_bytes(b"a")
    cell = Digests().cell(ConvertRequest.of(weights=str(weights), formats=["tflite"]), None)
    assert cell.name == f"own-b1-best-int8-tflite-{cell.digest[:DIGITS]}"
    assert cell.title == "own b1 (best) int8 tflite"
    assert cell.weights is not None
    assert cell.weights[0] == str(weights)
    assert len(cell.weights[1]) == 64


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ({}, str(bundled_checkpoint("efficientvit_m0"))),
        ({"model": "efficientvit_b0", "weights": "bundled"}, str(bundled_checkpoint("efficientvit_b0"))),
        ({"model": "efficientvit_m5"}, None),
        ({"weights": "random"}, None),
        ({"weights": "hub"}, None),
        ({"weights": "hf://me/weights"}, None),
        ({"weights": "own.pth"}, "own.pth"),
    ],
)
def test_which_weights_are_a_file(options: dict[str, Any], file: str | None) -> None:
    assert weights_file(ConvertRequest.of(**options)) == file


def test_weights_that_every_machine_has_need_not_be_brought() -> None:
    assert Digests().cell(M0, None).weights is None


def test_where_a_cell_is_written_is_not_what_it_is() -> None:
    names = {Digests().cell(replace(M0, out=out), None).name for out in ("", "here", "there")}
    assert len(names) == 1


def test_what_it_is_evaluated_on_is_part_of_it(tmp_path: Path) -> None:
    for name, value in (("one", 0), ("same", 0), ("other", 1)):
        np.savez(tmp_path / f"{name}.npz", images=np.full((2, 8, 8, 3), value, np.uint8), labels=[0, 1])
    names = tmp_path / "names.txt"
    names.write_text("a\nb")

    def digest(images: str | None, **options: Any) -> str:
        plan = None if images is None else EvaluationPlan(images=str(tmp_path / f"{images}.npz"), **options)
        return Digests().cell(M0, plan).digest

    assert digest("one") == digest("same")
    different = [digest(None), digest("one"), digest("other"), digest("one", limit=1), digest("one", reference=True)]
    different.append(digest("one", labels=str(names)))
    names.write_text("b\na")
    different.append(digest("one", labels=str(names)))
    assert len(set(different)) == 7


def test_a_file_of_preprocessing_is_read_and_a_name_is_not(tmp_path: Path) -> None:
    file = tmp_path / "preprocess.json"
    digests = []
    for text in ('{"mean": [0.5]}', '{"mean": [0.4]}'):
        file.write_text(text)
        digests.append(Digests().cell(replace(M0, preprocess=str(file)), None).digest)
    digests.append(Digests().cell(replace(M0, preprocess="torchvision"), None).digest)
    assert len(set(digests)) == 3


def test_images_are_told_by_their_content_and_classes(tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=[0, 1])
    np.savez(tmp_path / "b.npz", images=images, labels=[1, 0])
    assert len({images_digest(str(tmp_path / name)) for name in ("a.npz", "b.npz")}) == 2
    with pytest.raises(DataError, match="nowhere"):
        images_digest(str(tmp_path / "nowhere"))
