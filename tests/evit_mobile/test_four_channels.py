"""Models that take red, green, blue and a fourth channel: from a file and live, through preprocessing, to proven files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import evit_mobile
from calib.errors import DataError
from calib.sources.bundled import Bundled, open_bundled
from converters.registry import find_target
from evit_mobile.commands import convert as pipeline
from evit_mobile.errors import UsageError
from evit_mobile.images.preprocessing import AS_STATED, PreprocessOptions
from evit_mobile.models.weights import load_module
from evit_mobile.reference import Reference, load_reference
from evit_mobile.request import ConvertRequest
from evit_mobile.request.channels import check_channels
from tests.evit_mobile.models.wrappers import Around
from tests.oracles import randomise, relative_error, timm_model

SIDE = 64
NUMBERS = {"mean": (0.485, 0.456, 0.406, 0.5), "std": (0.229, 0.224, 0.225, 0.25)}


def four(name: str = "efficientvit_m0") -> nn.Module:
    options = {"img_size": SIDE} if name.endswith("m0") else {}
    return randomise(timm_model(name, in_chans=4, num_classes=5, **options))


def from_file(module: nn.Module, folder: Path, given: PreprocessOptions = AS_STATED, **beside: Any) -> Reference:
    torch.save({"state_dict": module.state_dict(), **beside}, folder / "weights.pth")
    return load_reference(None, weights=folder / "weights.pth", size=(SIDE, SIDE), preprocess=given)


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_file_and_module_give_what_the_module_gives(name: str, tmp_path: Path) -> None:
    module, images = four(name), torch.randn(2, 4, SIDE, SIDE)
    for found in (from_file(module, tmp_path), load_reference(module, size=(SIDE, SIDE))):
        assert found.spec.channels == 4
        assert any("takes 4 channels" in note for note in found.notes)
        with torch.no_grad():
            assert relative_error(found.module(images), module(images)) < 1e-5


def test_a_module_may_make_the_fourth_by_itself() -> None:
    module = Around(lambda m, x: m.net(torch.cat([x, x.mean(1, keepdim=True)], 1)), net=four())
    loaded, images = load_module(module), torch.randn(1, 3, SIDE, SIDE)
    assert loaded.spec.channels == 3
    with torch.no_grad():
        assert relative_error(loaded.module(images), module(images)) < 1e-5


def test_what_lies_around_four_channels_comes_along() -> None:
    module = Around(lambda m, x: m.net((x - 0.5) / 0.25).softmax(1), net=four())
    loaded, images = load_module(module), torch.rand(1, 4, SIDE, SIDE)
    assert loaded.spec.channels == 4
    with torch.no_grad():
        assert relative_error(loaded.module(images), module(images)) < 1e-5


def test_the_fourth_mean_has_to_be_known(tmp_path: Path) -> None:
    module = four()
    with pytest.raises(DataError, match=r"mean 0\.485 0\.456 0\.406 for a model of 4 channels"):
        _ = from_file(module, tmp_path).preprocessing
    given = PreprocessOptions(**NUMBERS)
    for decision in (
        from_file(module, tmp_path, given).preprocessing,
        from_file(module, tmp_path, args={name: list(values) for name, values in NUMBERS.items()}).preprocessing,
    ):
        assert (decision.preprocess.mean, decision.preprocess.std) == (NUMBERS["mean"], NUMBERS["std"])
        assert decision.preprocess.color == "RGBA"
    halves = from_file(module, tmp_path, args={"mean": [0.5], "std": [0.5]}).preprocessing.preprocess
    assert halves.mean == halves.std == (0.5,) * 4


def test_three_channels_have_no_fourth_mean() -> None:
    with pytest.raises(DataError, match="for a model of 3 channels"):
        _ = load_reference(None, preprocess=PreprocessOptions(**NUMBERS)).preprocessing


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "no images"),
        ({"calib": "photos", "image_input": True}, "--image-input"),
        ({"calib": "photos", "variation": "relu-attention"}, "--relu-attention"),
    ],
)
def test_what_four_channels_cannot_have_is_refused(options: dict[str, Any], what: str, tmp_path: Path) -> None:
    spec = from_file(four(), tmp_path).spec
    with pytest.raises(UsageError, match=f"{what} for efficientvit_m0, which takes 4 channels"):
        check_channels(ConvertRequest.of(**options), spec)
    check_channels(ConvertRequest.of(**options), load_reference(None).spec)


def test_images_without_a_fourth_channel_are_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(16):
        Image.new("RGB", (SIDE, SIDE), (index * 9,) * 3).save(tmp_path / f"{index}.png")
    monkeypatch.setattr(pipeline, "prepare_all", lambda *_: pytest.fail("prepared"))
    with pytest.raises(DataError, match=r"3 channels.*for a model of 4"):
        evit_mobile.convert(four(), formats=["tflite"], calib=str(tmp_path), out=tmp_path / "out", **NUMBERS)


@pytest.mark.slow
@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_files_are_proven_on_images_of_four_channels(precision: str, tmp_path: Path) -> None:
    test = open_bundled(Bundled.TEST)
    grey = np.stack([np.asarray(test.item(index)) for index in range(96)])
    images = np.stack([grey, grey.transpose(0, 2, 1), 255 - grey, np.roll(grey, 9, 1)], -1)
    np.savez(tmp_path / "photos.npz", images=images)
    module = four("efficientvit_b0")
    torch.save(module.state_dict(), tmp_path / "weights.pth")
    conversion = evit_mobile.convert(
        weights=tmp_path / "weights.pth",
        size=(SIDE, SIDE),
        calib=str(tmp_path / "photos.npz"),
        precision=precision,
        out=tmp_path / "out",
        **NUMBERS,
    )
    manifest = conversion.manifest
    assert manifest.input.shape == (1, 4, SIDE, SIDE)
    assert (manifest.input.mean, manifest.input.color) == (NUMBERS["mean"], "RGBA")
    verdicts = {entry.path: entry.validations[0] for entry in manifest.artefacts}
    assert len(verdicts) == 3
    least = 60 if precision == "fp32" else 12  # random weights
    assert all((found.sqnr_db or 0) > least for found in verdicts.values()), verdicts
    (entry,) = (entry for entry in manifest.artefacts if entry.format == "tflite")
    x = np.random.default_rng(0).standard_normal((1, 4, SIDE, SIDE)).astype(np.float32)
    if precision == "fp32":
        with torch.no_grad():
            expected: Tensor = module(torch.from_numpy(x))
        given = find_target("tflite").load(tmp_path / "out" / entry.path)(x)
        assert relative_error(torch.from_numpy(given), expected) < 1e-4
        evit_mobile.validate(tmp_path / "out")
