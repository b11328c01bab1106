"""Preprocessing: what timm publishes by default, what is stated with the weights before that, and what is given before both."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from calib.errors import DataError
from calib.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocess, Resize
from calib.sources.bundled import bundled_preprocess
from calib.stated.statement import decide
from calib.stated.timm import read_settings
from calib.stated.values import Numbers
from evit_mobile import reference as reference_module
from evit_mobile.cli.convert import ConvertOptions, requested
from evit_mobile.commands.sensitivity import sensitivity
from evit_mobile.errors import UsageError
from evit_mobile.images.preprocessing import (
    AS_STATED,
    PreprocessOptions,
    options_of,
    recorded_preprocessing,
    stated_preprocessing,
)
from evit_mobile.images.published import PUBLISHED
from evit_mobile.models.weights.stated import Place
from evit_mobile.reference import load_reference
from tests.evit_mobile.models.wrappers import Around, network
from tests.evit_mobile.test_cli import run
from tests.oracles import import_timm, timm_model


@pytest.mark.parametrize("name", PUBLISHED)
def test_timms_own_settings_are_read_alike(name: str) -> None:
    settings = import_timm().get_pretrained_cfg(name).to_dict()
    statement = read_settings(settings, "timm")
    assert statement.size == PUBLISHED[name].size
    for field, value in statement.values.items():
        assert getattr(PUBLISHED[name], field) == value


HALVES = (0.5, 0.5, 0.5)
SETTINGS = {"mean": HALVES, "std": HALVES, "crop_pct": 1.0, "interpolation": "bilinear", "input_size": (3, 64, 64)}
TRAINED = Preprocess(size=(64, 64), mean=HALVES, std=HALVES, interpolation=Interpolation.BILINEAR)
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 64, "width": 64},
    "resample": 2,
    "image_mean": HALVES,
    "image_std": HALVES,
}
SQUASHED = replace(TRAINED, resize=Resize.SQUASH)


@pytest.fixture(scope="module")
def module() -> nn.Module:
    """A trained m0 for 64x64, whose tables have the same shape at 224x224."""
    return load_reference("efficientvit_m0", size=(64, 64)).module


def checkpoint(module: nn.Module, folder: Path, **beside: Any) -> Path:
    """A training checkpoint, with what is `beside` the tensors."""
    path = folder / "m0.pth"
    torch.save({"state_dict": module.state_dict(), **beside}, path)
    return path


def hub_folder(module: nn.Module, folder: Path, **files: dict[str, Any]) -> Path:
    """A folder as Hugging Face's tools write it, with JSON files beside the weights."""
    save_file(module.state_dict(), folder / "model.safetensors")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder / "model.safetensors"


TRAINING = {
    "args": argparse.Namespace(**SETTINGS),
    "hyper_parameters": {"lr": 0.1, **SETTINGS},
    "datamodule_hyper_parameters": {"image_mean": list(HALVES), "image_std": list(HALVES), "img_size": 64,
                                    "crop_pct": 1.0, "interpolation": "bilinear"},
    "config": {"norm_mean": HALVES, "norm_std": HALVES, "img_size": 64, "crop_pct": 1.0, "interpolation": "bilinear"},
}  # fmt: skip


@pytest.mark.parametrize("key", TRAINING)
def test_what_a_training_checkpoint_states_is_used(module: nn.Module, tmp_path: Path, key: str) -> None:
    decision = load_reference(None, weights=checkpoint(module, tmp_path, **{key: TRAINING[key]})).preprocessing
    assert decision.preprocess == TRAINED
    assert decision.stated_by["mean"] == f"{key} in the checkpoint"
    assert decision.stated_by["resize"] == "default"


def test_tensors_of_settings_are_numbers_and_those_of_a_state_dict_are_buffers(
    module: nn.Module, tmp_path: Path
) -> None:
    path = checkpoint(module, tmp_path, hyper_parameters={"mean": torch.tensor(HALVES), "lr": 0.1})
    assert load_reference(None, weights=path).preprocessing.preprocess.mean == HALVES
    buffers = Place(name="the checkpoint", fields={"mean": torch.zeros(1, 3, 1, 1), "head.bias": torch.zeros(3)})
    assert stated_preprocessing([buffers]) == ()


def test_settings_nested_in_hyperparameters_are_timms(module: nn.Module, tmp_path: Path) -> None:
    path = checkpoint(module, tmp_path, hyper_parameters={"data_config": {**SETTINGS, "mean": [0.5]}})
    decision = load_reference(None, weights=path).preprocessing
    assert decision.preprocess == TRAINED
    assert decision.stated_by["std"] == "data_config in hyper_parameters in the checkpoint"


def test_what_config_json_states_is_used(module: nn.Module, tmp_path: Path) -> None:
    config = {"architecture": "efficientvit_m0", "model_type": "timm_wrapper", "pretrained_cfg": SETTINGS}
    decision = load_reference(None, weights=hub_folder(module, tmp_path, config=config)).preprocessing
    assert decision.preprocess == TRAINED
    assert decision.stated_by["crop"] == "pretrained_cfg in config.json"


def test_an_image_processor_beats_config_json_and_the_difference_is_told(module: nn.Module, tmp_path: Path) -> None:
    config = {"pretrained_cfg": {**SETTINGS, "crop_mode": "center"}}
    weights = hub_folder(module, tmp_path, config=config, preprocessor_config=PROCESSOR)
    reference = load_reference(None, weights=weights)
    assert reference.spec.size == (64, 64)
    assert reference.preprocessing.preprocess == SQUASHED
    assert reference.preprocessing.stated_by["resize"] == "preprocessor_config.json"
    (note,) = reference.preprocessing.notes
    assert note == (
        "resize: preprocessor_config.json says squash, which is used; pretrained_cfg in config.json says cover"
    )


def test_the_size_of_an_image_processor_is_the_models(tmp_path: Path) -> None:
    """B has no tables, so that only the processor tells."""
    module = load_reference("efficientvit_b0").module
    weights = hub_folder(module, tmp_path, preprocessor_config={**PROCESSOR, "size": {"height": 96, "width": 128}})
    assert load_reference(None, weights=weights).preprocessing.preprocess.size == (96, 128)


def test_what_a_live_module_carries_is_used(module: nn.Module) -> None:
    live = timm_model("efficientvit_m0", num_classes=10, img_size=64)
    live.load_state_dict(module.state_dict())
    assert load_reference(live).preprocessing.preprocess.crop_pct == 0.875
    live.pretrained_cfg = live.default_cfg = SETTINGS
    decision = load_reference(live).preprocessing
    assert decision.preprocess == TRAINED
    assert decision.stated_by["mean"] == "pretrained_cfg of the module's EfficientVitMsra"


def test_what_arguments_leave_open_is_the_named_models(tmp_path: Path) -> None:
    """train.py takes size and crop of `--model efficientvit_b1.r288_in1k`, and saves neither."""
    module = load_reference("efficientvit_b1", weights="random").module
    arguments = argparse.Namespace(model="efficientvit_b1.r288_in1k", mean=[0.5], crop_pct=None, img_size=None)
    reference = load_reference(None, weights=checkpoint(module, tmp_path, args=arguments))
    assert reference.spec.size == (288, 288)
    assert (reference.preprocessing.preprocess.crop_pct, reference.preprocessing.preprocess.mean) == (1.0, HALVES)
    assert reference.preprocessing.stated_by["crop"].startswith("timm's efficientvit_b1.r288_in1k")
    assert reference.preprocessing.notes == ()


def test_sizes_that_contradict_each_other_are_told(module: nn.Module, tmp_path: Path) -> None:
    path = checkpoint(module, tmp_path, args=argparse.Namespace(img_size=64), hyper_parameters={"img_size": 96})
    (note,) = load_reference(None, weights=path).preprocessing.notes
    assert note == "size: the model says 64x64, which is used; hyper_parameters in the checkpoint says 96x96"


def test_what_is_given_beats_what_is_stated_and_both_are_told(module: nn.Module, tmp_path: Path) -> None:
    path = checkpoint(module, tmp_path, args=argparse.Namespace(**SETTINGS))
    given = PreprocessOptions(base="torchvision", std=(0.25,), resize="squash")
    decision = load_reference(None, weights=path, preprocess=given).preprocessing
    assert (decision.preprocess.std, decision.preprocess.mean) == ((0.25,) * 3, IMAGENET_MEAN)
    assert (decision.preprocess.resize, decision.preprocess.crop_pct) == (Resize.SQUASH, 0.875)
    assert decision.stated_by["std"] == "--std"
    assert decision.stated_by["crop"] == "--preprocess torchvision"
    assert (
        "std: --std says 0.25 0.25 0.25, which is used; --preprocess torchvision says 0.229 0.224 0.225; args in the "
        "checkpoint says 0.5 0.5 0.5" in decision.notes
    )


def test_what_cannot_be_met_is_an_error_unless_something_is_given(module: nn.Module, tmp_path: Path) -> None:
    path = checkpoint(module, tmp_path, hyper_parameters={"mean": 0.5, "interpolation": "random"})
    with pytest.raises(DataError, match="random"):
        _ = load_reference(None, weights=path, preprocess=PreprocessOptions(mean=(0.5,))).preprocessing
    with pytest.raises(DataError, match="as stated by hyper_parameters"):
        _ = load_reference(None, weights=path, preprocess=PreprocessOptions(interpolation="bicubic")).preprocessing
    given = PreprocessOptions(mean=HALVES, interpolation="bicubic")
    assert load_reference(None, weights=path, preprocess=given).preprocessing.preprocess.mean == HALVES


def test_a_given_size_is_the_models(tmp_path: Path) -> None:
    given = PreprocessOptions(base="timm:efficientvit_b1.r256_in1k")
    reference = load_reference("efficientvit_b1", weights="random", preprocess=given)
    assert reference.preprocessing.preprocess == PUBLISHED["efficientvit_b1.r256_in1k"]
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"input": TRAINED.to_manifest()}))
    assert load_reference(None, preprocess=PreprocessOptions(base=str(path))).preprocessing.preprocess == TRAINED


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"base": "timm:resnet50"}, "timm:resnet50"),
        ({"base": "absent.json"}, "absent.json"),
        ({"mean": (0.5, 0.5)}, "mean (0.5, 0.5)"),
        ({"std": (0.0,)}, "std (0.0,)"),
        ({"crop_pct": 1.5}, "crop_pct 1.5"),
        ({"interpolation": "area"}, "area"),
        ({"resize": "stretch"}, "stretch"),
    ],
)
def test_a_wrong_option_is_an_error_before_anything_is_read(given: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_reference(None, weights="absent.pth", preprocess=PreprocessOptions(**given))
    assert words in caught.value.got
    assert caught.value.exit_code == 2


def test_the_bundled_weights_keep_their_own_preprocessing() -> None:
    decision = load_reference(None).preprocessing
    assert decision.preprocess == bundled_preprocess()
    assert set(decision.stated_by.values()) == {"the bundled weights"}


def test_what_contradicts_the_bundled_weights_is_told() -> None:
    decision = load_reference(None, preprocess=PreprocessOptions(mean=(0.5,))).preprocessing
    assert decision.stated_by["mean"] == "--mean"
    assert decision.notes == (
        "mean: --mean says 0.5 0.5 0.5, which is used; the bundled weights says 0.485 0.456 0.406",
    )
    assert not load_reference(None, weights="random", preprocess=PreprocessOptions(mean=(0.5,))).preprocessing.notes


def test_options_on_the_command_line_are_those_of_a_request() -> None:
    said = ConvertOptions(
        preprocess="torchvision", mean="0.5", std="0.5, 0.25,0.5", crop_pct=1.0, squash=False, color="BGR"
    )
    request = requested(said)
    assert (request.mean, request.std, request.resize) == ((0.5,), (0.5, 0.25, 0.5), "cover")
    assert options_of(request) == PreprocessOptions(
        base="torchvision", mean=(0.5,), std=(0.5, 0.25, 0.5), crop_pct=1.0, resize="cover", color="BGR"
    )
    assert options_of(requested(ConvertOptions())) == AS_STATED


@pytest.mark.parametrize(
    "options",
    [
        ("--mean", "0.5,0.5"),
        ("--mean", "half"),
        ("--mean", "123.675,116.28,103.53"),
        ("--std", "0"),
        ("--crop-pct", "1.2"),
        ("--interpolation", "random"),
        ("--color", "grey"),
        ("--preprocess", "imagenet"),
        ("--preprocess", "timm:efficientvit_b9"),
    ],
)
@pytest.mark.parametrize("command", ["convert", "sensitivity"])
def test_what_cannot_be_met_is_exit_code_2_before_weights_are_read(
    command: str, options: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reference_module, "_load", lambda *_: pytest.fail("weights were read"))
    assert run(monkeypatch, command, *options) == 2


def test_what_is_stated_and_cannot_be_met_is_refused_before_images_are_opened(
    module: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(module, tmp_path, hyper_parameters={"mean": 0.5})
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "convert", "--weights", str(path), "--calib", "absent") == 2
    assert "mean 0.5, as stated by hyper_parameters in the checkpoint" in capsys.readouterr().err
    assert run(monkeypatch, "convert", "--weights", str(path), "--calib", "absent", "--mean", "0.5") == 2
    assert "absent" in capsys.readouterr().err


def test_sensitivity_takes_no_other_options() -> None:
    with pytest.raises(UsageError, match="formats"):
        sensitivity(formats=["tflite"])


def test_preprocessing_survives_a_recovery() -> None:
    """A variation's checkpoint states that of its original."""
    (statement,) = recorded_preprocessing(TRAINED.to_manifest(), "the record")
    assert decide(Preprocess(size=(64, 64)), [statement]).preprocess == TRAINED
    assert recorded_preprocessing(None, "the record") == ()


SHARES = torch.tensor([0.2989, 0.587, 0.114]).reshape(3, 1, 1)
"""Of the colours in grey, as people round them; together 0.9999."""


class Scaled(nn.Module):
    """(x - shift) / scale before a network."""

    def __init__(self, network: nn.Module, shift: float | Numbers, scale: float | Numbers) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("shift", torch.tensor(shift).reshape(-1, 1, 1))
        self.register_buffer("scale", torch.tensor(scale).reshape(-1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.network((x - self.shift) / self.scale)
        return result


@pytest.mark.parametrize(
    "around",
    [
        lambda net: nn.Sequential(net, nn.Softmax(1)),
        lambda net: Around(lambda m, x: m.net(x)[:, [3, 1, 2]] / 2, net=net),
        lambda net: Around(lambda m, x: m.net(x[:, [2, 1, 0]]), net=net),
        lambda net: Around(lambda m, x: m.net((x * SHARES).sum(1, keepdim=True).expand(-1, 3, -1, -1)), net=net),
    ],
    ids=["softmax behind", "classes behind", "BGR before", "grey before"],
)
def test_a_module_that_leaves_values_as_they_are_does_not_normalise(around: Callable[[nn.Module], nn.Module]) -> None:
    decision = load_reference(around(network())).preprocessing
    assert (decision.preprocess.mean, decision.preprocess.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert "the module, which normalises by itself" not in decision.stated_by.values()


@pytest.mark.parametrize(
    ("shift", "scale", "mean", "std"),
    [
        (IMAGENET_MEAN, IMAGENET_STD, 0.0, 1.0),
        pytest.param((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), 0.0, 1.0, marks=pytest.mark.slow),
        pytest.param(0.5, 0.5, 0.0, 1.0, marks=pytest.mark.slow),
        (127.5, 127.5, 0.0, 1 / 255),
        pytest.param((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 0.0, 1 / 255, marks=pytest.mark.slow),
        (-0.06, 0.45, 0.5, 0.5),
        (0.5, 100.0, 0.485, 0.229),
    ],
    ids=["ImageNet", "a dataset's own", "halves", "halves of 255", "ImageNet of 255", "from -1 to 1", "no range"],
)
def test_a_module_that_normalises_by_itself_takes_plain_values(
    module: nn.Module, shift: float | Numbers, scale: float | Numbers, mean: float, std: float
) -> None:
    """They are not normalised twice; where the module's scale tells no range, mean and std are the default."""
    network = timm_model("efficientvit_m0", num_classes=10, img_size=64)
    network.load_state_dict(module.state_dict())
    decision = load_reference(Scaled(network, shift, scale)).preprocessing
    assert (decision.preprocess.mean[0], decision.preprocess.std[0]) == pytest.approx((mean, std))
    assert (decision.stated_by["mean"] == "the module, which normalises by itself") == (mean != 0.485)
