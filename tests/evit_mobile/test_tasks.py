"""A model of one logit and one of several labels, from a file to int8 files that are proven and evaluated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evit_mobile
from calib.sources.bundled import Bundled, bundled_class_names, open_bundled
from evit_mobile.record.manifest import Manifest
from evit_mobile.reference import load_reference
from tests.evit_mobile.test_cli import run

SIDE = 96


GROUPS = {
    "shoe": ("Sandal", "Sneaker", "Ankle boot"),
    "bag": ("Bag",),
    "legs": ("Trouser",),
}
"""Labels, and the classes of the bundled model that have them."""


def weights_of(*labels: str) -> dict[str, torch.Tensor]:
    """The bundled m0 with a logit for each label: how far its classes are above the others."""
    state = load_reference("efficientvit_m0").module.state_dict()
    weight, bias = state["head.linear.weight"], state["head.linear.bias"]
    shares = torch.stack([share(label) for label in labels])
    return {**state, "head.linear.weight": shares @ weight, "head.linear.bias": shares @ bias}


def share(label: str) -> torch.Tensor:
    """(10,) of each class in a label's logit."""
    has = torch.tensor([name in GROUPS[label] for name in bundled_class_names()])
    return torch.where(has, 1 / has.sum(), -1 / (~has).sum())


def write_photos(folder: Path, count: int, *, labelled: bool) -> Path:
    """Images of the bundled test set, in folders that say whether it is a shoe."""
    test, names = open_bundled(Bundled.TEST), bundled_class_names()
    assert test.labels is not None
    for index in range(count):
        place = folder / ("shoe" if names[test.labels[index]] in GROUPS["shoe"] else "other") if labelled else folder
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(test.item(index))).save(place / f"{index}.png")
    return folder


def converted(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Manifest:
    """The manifest of an int8 .tflite, which passed."""
    given = (
        "--weights",
        str(folder / "m0.pth"),
        "--calib",
        str(folder / "photos"),
        "--squash",
        "--interpolation",
        "bilinear",
    )
    out = ("--out", str(folder / "out"), "--format", "tflite", "--size", str(SIDE))
    assert run(monkeypatch, "convert", *given, *out, *options) == 0
    return evit_mobile.read_manifest(folder / "out")


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_one_logit_and_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(weights_of("shoe"), tmp_path / "m0.pth")
    write_photos(tmp_path / "photos", 120, labelled=True)
    manifest = converted(tmp_path, monkeypatch)
    assert (manifest.labels, manifest.negative_label) == (("shoe",), "other")
    validation = manifest.artefacts[0].validations[0]
    assert (validation.top1_reference or 0) > 90
    assert (validation.top1_agreement or 0) >= 0.95
    write_photos(tmp_path / "more", 60, labelled=True)
    capsys.readouterr()
    file = str(tmp_path / "out" / manifest.artefacts[0].path)
    assert run(monkeypatch, "evaluate", file, "--images", str(tmp_path / "more"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["top1"] > 90
    assert run(monkeypatch, "export-app", "web", "--from", str(tmp_path / "out"), "--out", str(tmp_path)) == 2
    assert "one logit" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
def test_several_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(weights_of(*GROUPS), tmp_path / "m0.pth")
    (tmp_path / "names.txt").write_text("\n".join(GROUPS))
    write_photos(tmp_path / "photos", 120, labelled=False)
    manifest = converted(tmp_path, monkeypatch, "--task", "multilabel", "--labels", str(tmp_path / "names.txt"))
    assert (manifest.model.task, manifest.labels) == ("multilabel", tuple(GROUPS))
    validation = manifest.artefacts[0].validations[0]
    assert (validation.top1_agreement or 0) >= 0.95
    assert validation.top1_reference is None
    assert run(monkeypatch, "validate", str(tmp_path / "out")) == 0
    capsys.readouterr()
    assert run(monkeypatch, "export-app", "web", "--from", str(tmp_path / "out"), "--out", str(tmp_path)) == 2
    assert "multilabel" in capsys.readouterr().err
