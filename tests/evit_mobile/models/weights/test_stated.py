"""What is stated beside the tensors is found where training programs keep it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from evit_mobile.models.weights.stated import Stated, file_places, module_places, names_in, read_stated

NAMES = ("bag", "boot", "coat")
BY_NAME = {name: index for index, name in enumerate(NAMES)}
BY_INDEX = dict(enumerate(NAMES))


def stated(tree: object, weights: Path = Path("weights.pth"), classes: int = 3) -> Stated:
    return read_stated(file_places(tree, weights), classes=classes)


@pytest.mark.parametrize(
    ("tree", "stated_by"),
    [
        ({"state_dict": {}, "class_to_idx": BY_NAME}, "class_to_idx in the checkpoint"),
        ({"model": {}, "id2label": BY_INDEX}, "id2label in the checkpoint"),
        ({"model": {}, "labels": list(NAMES)}, "labels in the checkpoint"),
        ({"model": {}, "classes": NAMES}, "classes in the checkpoint"),
        ({"state_dict": {}, "hyper_parameters": {"class_names": NAMES}}, "class_names in hyper_parameters in the checkpoint"),
        ({"state_dict": {}, "args": argparse.Namespace(label_names=NAMES)}, "label_names in args in the checkpoint"),
        ({"model": {}, "config": {"idx2label": BY_INDEX}}, "idx2label in config in the checkpoint"),
        ({"model": {}, "hparams": {"label_map": BY_NAME}}, "label_map in hparams in the checkpoint"),
        ({"state_dict": {}, "meta": {"CLASSES": NAMES}}, "CLASSES in meta in the checkpoint"),
        ({"model": {}, "cfg": {"data": {"names": BY_INDEX}}}, "names in data in cfg in the checkpoint"),
    ],
)  # fmt: skip
def test_names_in_a_checkpoint(tree: dict[str, Any], stated_by: str) -> None:
    assert stated(tree) == Stated(labels=NAMES, labels_stated_by=stated_by)


@pytest.mark.parametrize(
    ("config", "stated_by"),
    [
        ({"id2label": {str(index): name for index, name in BY_INDEX.items()}}, "id2label in config.json"),
        ({"label_names": list(NAMES), "pretrained_cfg": {}}, "label_names in config.json"),
        ({"pretrained_cfg": {"label_names": list(NAMES)}}, "label_names in pretrained_cfg in config.json"),
    ],
)
def test_names_in_the_config_beside_the_weights(config: Mapping[str, Any], stated_by: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = stated({}, tmp_path / "model.safetensors")
    assert (found.labels, found.labels_stated_by) == (NAMES, stated_by)
    assert stated({}, tmp_path / "somebody_elses.pth") == Stated()


def test_names_in_the_metadata_of_a_safetensors_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.ones(1)}, path, {"format": "pt", "id2label": json.dumps(BY_INDEX)})
    assert stated({}, path) == Stated(labels=NAMES, labels_stated_by="id2label in the file's metadata")


def test_what_is_no_name_of_a_class_is_not_taken() -> None:
    assert stated({"id2label": {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}}) == Stated()
    assert stated({"hyper_parameters": {"classes": ("a", "b")}}) == Stated()
    assert stated({"labels": "labels.txt", "class_to_idx": None}) == Stated()
    assert stated({"class_to_idx": {"a": 0, "b": 10**12}}) == Stated()


def test_names_that_contradict_each_other_are_told() -> None:
    found = stated({"class_to_idx": BY_NAME, "id2label": dict(enumerate("abc")), "hparams": {"class_names": NAMES}})
    assert found.labels == NAMES
    assert found.notes == (
        "class names: class_to_idx in the checkpoint is used; id2label in the checkpoint says a, b, c",
    )
    assert not stated({"class_to_idx": BY_NAME, "id2label": BY_INDEX}).notes


@pytest.mark.parametrize("value", [{"a": 0, "b": 0, "c": 1}, {0: ["n01", "a"], 1: ["n02", "b"]}, {"a": 0.0, "b": 1.0}])
def test_names_that_cannot_be_read_are_told(value: object) -> None:
    found = stated({"id2label": value, "label_map": value})
    assert found.labels == ()
    assert found.notes == (
        "class names: id2label in the checkpoint does not give each class one name, and is left aside",
    )


def test_names_that_contradict_the_class_count_are_not_hidden() -> None:
    assert stated({"class_to_idx": BY_NAME}, classes=4).labels == NAMES


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"b": 1, "a": 0}, ("a", "b")),
        ({"1": "b", "0": "a"}, ("a", "b")),
        ({"0": 1, "1": 0}, ("1", "0")),
        ({0: "a", 2: "c"}, ("a", "class 1", "c")),
        ({"a": -1, "b": 0}, ()),
        ({"a": True, "b": False}, ()),
        (["a", 1], ()),
        ([], ()),
        ({}, ()),
        ({"a"}, ()),
        ("ab", ()),
    ],
)
def test_forms_of_names(value: object, names: tuple[str, ...]) -> None:
    assert names_in(value) == names


def test_the_input_size_is_read_from_the_same_places(tmp_path: Path) -> None:
    assert stated({"args": argparse.Namespace(input_size=[3, 192, 256])}).size == (192, 256)
    assert stated({"hyper_parameters": {"img_size": 96}}).size == (96, 96)
    assert stated({"config": {"input_size": [160, 192, 3]}}).size == (160, 192)
    (tmp_path / "config.json").write_text('{"pretrained_cfg": {"input_size": [3, 288, 256]}}')
    assert stated({}, tmp_path / "model.safetensors").size == (288, 256)


def test_names_of_a_live_module() -> None:
    inner, outer = nn.Identity(), nn.Sequential()
    outer.append(inner)
    inner.config = SimpleNamespace(to_dict=lambda: {"label_names": list(NAMES)})  # type: ignore[assignment]  # as Hugging Face's models have one
    found = read_stated(module_places(outer), classes=3)
    assert (found.labels, found.labels_stated_by) == (NAMES, "label_names in config of the module's Identity")
    outer.class_to_idx = {"x": 0, "y": 1, "z": 2}  # type: ignore[assignment]  # as people keep it on their model
    assert read_stated(module_places(outer), classes=3).labels == ("x", "y", "z")
