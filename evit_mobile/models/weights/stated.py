"""What is stated beside the tensors: by the checkpoint, by the config.json next to it, or by a live module.

Every such settings mapping is a Place. Readers ask the places in their order, and the first that answers counts.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from evit_mobile.models.weights.unwrap import as_size

CONFIG_FILE = "config.json"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names under which a weights file and a config.json in the same folder belong together."""

Fields = Mapping[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Settings that came with the weights, and where they were found, in words: "config.json", "args in the checkpoint"."""

    name: str
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What comes with the weights beside the tensors. Every field may be absent.

    `size` is the input size (height, width) that they were trained at. `labels` are the names of the classes in the order of the
    logits, as many as were found, empty for none; `labels_stated_by` says under which key and where.
    """

    size: tuple[int, int] | None = None
    labels: tuple[str, ...] = ()
    labels_stated_by: str | None = None


NOTHING = Stated()


def file_places(tree: object, weights: Path) -> tuple[Place, ...]:
    """Places of a weights file whose content is `tree`: the config.json beside it, the checkpoint, its arguments."""
    config = _sidecar(weights)
    found = [Place(name=CONFIG_FILE, fields=config)]
    found.append(Place(name=f"pretrained_cfg in {CONFIG_FILE}", fields=_fields(config.get("pretrained_cfg"))))
    checkpoint = _fields(tree)
    found.append(Place(name="the checkpoint", fields=checkpoint))
    found += [
        Place(name=f"{key} in the checkpoint", fields=_fields(checkpoint.get(key)))
        for key in ("args", "hyper_parameters")
    ]
    return tuple(place for place in found if place.fields)


def module_places(module: nn.Module) -> tuple[Place, ...]:
    """Places of a live module, outermost first: attributes of its own, and the settings that Hugging Face, timm and Lightning keep."""
    found = []
    for child in module.modules():
        kind = type(child).__name__
        attributes = {key: value for key, value in vars(child).items() if key in LABEL_KEYS}
        found.append(Place(name=f"the module's {kind}", fields=attributes))
        for key in ("config", "pretrained_cfg", "hparams"):
            fields = _fields(getattr(child, key, None))
            found.append(Place(name=f"{key} of the module's {kind}", fields=fields))
    return tuple(place for place in found if place.fields)


def read_stated(places: tuple[Place, ...], *, classes: int) -> Stated:
    """What the places say of a model of that many classes."""
    sizes = (as_size(place.fields.get(key)) for place in places for key in SIZE_KEYS)
    labels, stated_by = _labels(places, classes)
    return Stated(size=next(filter(None, sizes), None), labels=labels, labels_stated_by=stated_by)


SIZE_KEYS = ("input_size", "img_size")
LABEL_KEYS = ("class_to_idx", "id2label", "label_names", "class_names", "idx_to_class", "label2id", "classes", "labels")
"""Keys under which training programs keep the names of the classes."""
VAGUE_KEYS = frozenset({"classes", "labels"})
"""Keys that may mean something else: they count only where there are as many names as classes."""
PLACEHOLDER = re.compile(r"LABEL_\d+")
"""What Hugging Face's configuration calls classes that nobody has named."""


def _labels(places: tuple[Place, ...], classes: int) -> tuple[tuple[str, ...], str | None]:
    """Names of the classes, and who states them."""
    for place in places:
        for key in LABEL_KEYS:
            names = names_in(place.fields.get(key))
            named = names and not all(map(PLACEHOLDER.fullmatch, names))
            if named and (len(names) == classes or key not in VAGUE_KEYS):
                return names, f"{key} in {place.name}"
    return (), None


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


def _sidecar(weights: Path) -> Fields:
    """Content of the config.json that belongs to `weights`; nothing where there is none, or it is somebody else's."""
    config = weights.with_name(CONFIG_FILE)
    if weights.name not in HUB_FILES or not config.is_file():
        return {}
    try:
        content = json.loads(config.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
