"""What is stated beside the tensors: by the checkpoint, by the config.json or preprocessor_config.json next to it, or by a live module.

Every such settings mapping is a Place. Readers ask the places in their order, and the first that answers counts.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from torch import nn

from calib.class_names import listed
from evit_mobile.models.weights.unwrap import as_size

CONFIG_FILE = "config.json"
PROCESSOR_FILE = "preprocessor_config.json"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names under which a weights file and these files in the same folder belong together."""
NESTED_KEYS = ("pretrained_cfg", "default_cfg", "data_config")
"""Keys under which settings hold those that timm resolves."""
PARTS = ("preprocess", "preprocessing", "normalize", "normalization", "data", "dataset", "meta")
"""Keys under which people keep a part of their settings."""
CHECKPOINT_KEYS = (
    "args",
    "hyper_parameters",
    "datamodule_hyper_parameters",
    "hparams",
    "config",
    "cfg",
    "meta",
    "metadata",
)
"""Keys of a checkpoint under which training programs keep their settings."""

Fields = Mapping[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Settings that came with the weights, and where they were found, in words: "config.json", "args in the checkpoint"."""

    name: str
    fields: Fields

    @property
    def key(self) -> str:
        """The key or attribute that held them, or the file's name."""
        return self.name.partition(" ")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What comes with the weights beside the tensors. Every field may be absent.

    `size` is the input size (height, width) that they were trained at. `labels` are the names of the classes in the order of the
    logits, as many as were found, empty for none; `labels_stated_by` says under which key and where, `notes` who says otherwise. `places`
    are all that were found.
    """

    size: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    labels_stated_by: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)
    places: tuple[Place, ...] = field(default=(), compare=False, repr=False)


NOTHING = Stated()


def file_places(tree: object, weights: Path) -> tuple[Place, ...]:
    """Places of a weights file whose content is `tree`: the files beside it, the checkpoint, its arguments."""
    found = [place for name in (PROCESSOR_FILE, CONFIG_FILE) for place in _places(name, _sidecar(weights, name))]
    checkpoint = _fields(tree)
    found += _places("the checkpoint", checkpoint)
    for key in CHECKPOINT_KEYS:
        found += _places(f"{key} in the checkpoint", checkpoint.get(key))
    return (*found, *_places("the file's metadata", _metadata(weights)))


def module_places(module: nn.Module, apart_from: nn.Module | None = None) -> tuple[Place, ...]:
    """Places of a live module, outermost first: attributes of its own, and the settings that Hugging Face, timm and Lightning keep;
    none of `apart_from`, a part of it.
    """
    found = []
    left_out = set() if apart_from is None else set(apart_from.modules())
    for child in (child for child in module.modules() if child not in left_out):
        kind = type(child).__name__
        attributes = {key: value for key, value in vars(child).items() if key in LABEL_KEYS}
        found += _places(f"the module's {kind}", attributes)
        for key in ("config", "hparams", "data_config", "pretrained_cfg", "default_cfg"):
            found += _places(f"{key} of the module's {kind}", getattr(child, key, None))
    return tuple(found)


def _places(name: str, settings: object) -> list[Place]:
    """A place and those nested in it, where it has fields."""
    fields = _fields(settings)
    if not fields:  # as most of a live module's
        return []
    nested = [Place(name=f"{key} in {name}", fields=_fields(fields.get(key))) for key in (*NESTED_KEYS, *PARTS)]
    return [place for place in (Place(name=name, fields=fields), *nested) if place.fields]


def read_stated(places: tuple[Place, ...], *, classes: int) -> Stated:
    """What the places say of a model of that many classes."""
    sizes = filter(None, map(_size, places))
    labels, stated_by, notes = _labels(places, classes)
    return Stated(size=next(sizes, None), labels=labels, labels_stated_by=stated_by, notes=notes, places=places)


SIZE_KEYS = ("input_size", "img_size", "image_size")
PUBLISHED = re.compile(r"(?:.*/)?(efficientvit_\w+\.r(\d+)_in1k)")
"""timm's names of its weights, which say their input size."""
LABEL_KEYS = (
    "class_to_idx",
    "id2label",
    "label_names",
    "class_names",
    "idx_to_class",
    "label2id",
    "classes",
    "labels",
    "CLASSES",
    "classnames",
    "class_labels",
    "target_names",
    "label_map",
    "label_to_idx",
    "idx_to_label",
    "idx2label",
    "label2idx",
    "idx2class",
    "class2idx",
    "id2class",
    "class2id",
    "categories",
    "names",
)
"""Keys under which training programs keep the names of the classes."""
VAGUE_KEYS = frozenset({"classes", "labels", "CLASSES", "label_map", "target_names", "categories", "names"})
"""Keys that may mean something else: they count only where there are as many names as classes."""
ORIGINS = frozenset({"pretrained_cfg", "default_cfg"})
"""Places of the weights that training began with, whose head may have been another: names count there likewise."""
PLACEHOLDER = re.compile(r"LABEL_\d+")
"""What Hugging Face's configuration calls classes that nobody has named."""


def _labels(places: tuple[Place, ...], classes: int) -> tuple[tuple[str, ...], str | None, tuple[str, ...]]:
    """Names of the classes, who states them, and remarks: on others that say otherwise, and on what cannot be read."""
    said, unread = [], []
    for place in places:
        for key in LABEL_KEYS:
            value, who = place.fields.get(key), f"{key} in {place.name}"
            names = names_in(value)
            vague = place.key in ORIGINS or key in VAGUE_KEYS
            if names and not all(map(PLACEHOLDER.fullmatch, names)) and (len(names) == classes or not vague):
                said.append((names, who))
            elif isinstance(value, Mapping | list | tuple) and value and not names and not vague:
                unread.append(f"class names: {who} does not give each class one name, and is left aside")
    if not said:
        return (), None, tuple(unread)
    names, stated_by = said[0]
    others = [f"{who} says {listed(its)}" for its, who in said[1:] if its != names]
    return names, stated_by, (*unread, *([f"class names: {stated_by} is used; {'; '.join(others)}"] if others else []))


def names_in(value: object) -> tuple[str, ...]:
    """Names by index from a list of names, {name: index} or {index: name}; empty where `value` is none of these.

    An index without a name is called "class N".
    """
    if isinstance(value, list | tuple):
        return tuple(value) if all(isinstance(name, str) for name in value) else ()
    if not isinstance(value, Mapping):
        return ()
    pairs = [_numbered(key, name) or _numbered(name, key) for key, name in value.items()]
    by_index = dict(pair for pair in pairs if pair is not None)
    if len(by_index) < len(pairs) or not by_index or min(by_index) < 0:
        return ()
    if max(by_index) >= 2 * len(by_index):  # more holes than names: these are no indices of classes
        return ()
    return tuple(by_index.get(index, f"class {index}") for index in range(max(by_index) + 1))


def _numbered(index: object, name: object) -> tuple[int, str] | None:
    """(index, name) where these are a class's number, in JSON also as text, and its name."""
    if isinstance(index, bool) or not isinstance(name, str):
        return None
    if isinstance(index, int):
        return index, name
    return (int(index), name) if isinstance(index, str) and index.isdecimal() else None


def _fields(settings: object) -> Fields:
    """Settings as a mapping: a dict, a Namespace, or a configuration object that can be turned into a dict; else none."""
    if isinstance(settings, argparse.Namespace):
        return vars(settings)
    if isinstance(settings, Mapping):
        return settings
    to_dict = getattr(settings, "to_dict", None)
    return _fields(to_dict()) if callable(to_dict) else {}


def _size(place: Place) -> tuple[int, int] | None:
    """(height, width) that a place states, in args also by the name of the model whose settings timm's train.py takes."""
    keys = ("crop_size", "size") if place.name == PROCESSOR_FILE else SIZE_KEYS
    stated = next(filter(None, (as_size(place.fields.get(key)) for key in keys)), None)
    named = PUBLISHED.fullmatch(str(place.fields.get("model"))) if place.key == "args" else None
    return stated or (named and (int(named[2]), int(named[2])))


def _metadata(weights: Path) -> Fields:
    """What a safetensors file says of itself, values that are JSON read as such; nothing of any other file."""
    if weights.suffix != ".safetensors" or not weights.is_file():
        return {}
    with safetensors.safe_open(weights, framework="pt") as file:
        return {key: _value(text) for key, text in (file.metadata() or {}).items()}


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _sidecar(weights: Path, name: str) -> Fields:
    """Content of the file that belongs to `weights`; nothing where there is none, or it is somebody else's."""
    config = weights.with_name(name)
    if weights.name not in HUB_FILES or not config.is_file():
        return {}
    try:
        content = json.loads(config.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
