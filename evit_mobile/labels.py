"""What a classifier's logits are called, and which images are labelled with that: one decision for every command.

Names come from `--labels`, else from the weights (`models.weights.stated`) or the manifest, else they are assumed from the images.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.class_names import listed
from calib.datasets import ImageDataset, Relabelled
from calib.errors import DataError
from calib.opening import open_dataset
from evit_mobile.errors import UsageError
from evit_mobile.images.contradiction import contradiction
from evit_mobile.images.data import Images
from evit_mobile.metrics import Logits
from evit_mobile.models.weights.stated import LABEL_KEYS, names_in
from evit_mobile.record.manifest import Manifest
from evit_mobile.reference import Reference
from evit_mobile.spec import Task

ASSUMED = "assumed from "
"""How `stated_by` begins where nobody stated the names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """The classes that `logits` logits decide between.

    `names` are in the order of the logits, of a single one those of its two signs, the negative first; empty where unknown.
    `stated_by` is who says so, in words.
    """

    logits: int
    names: tuple[str, ...] = ()
    stated_by: str | None = None

    @property
    def count(self) -> int:
        return max(2, self.logits)

    @property
    def guessed(self) -> bool:
        """Whether what the images say of their order is all that is known."""
        return self.stated_by is None or self.stated_by.startswith(ASSUMED)


def named(logits: int, names: Sequence[str], stated_by: str | None) -> Classes:
    """Classes with names, where there are some. Raises UsageError unless there are as many as classes."""
    if not names:
        return Classes(logits=logits)
    if logits == 1 and len(names) == 1:
        names = (f"not {names[0]}", *names)
    classes = Classes(logits=logits, names=tuple(names), stated_by=stated_by)
    if len(names) != classes.count:
        raise UsageError(
            got=f"{len(names)} names of classes ({stated_by}) for a model of {classes.count} classes: {listed(names)}",
            allowed="as many names as the model has classes, in the order of its logits",
            do="pass --labels FILE, a name a line",
        )
    return classes


def read_labels(file: Path) -> tuple[str, ...]:
    """Names of classes in the order of the logits: a name a line, or JSON: a list, {"0": name}, {name: 0}, or an object that has one
    of these under a key such as "class_to_idx". Raises UsageError.
    """
    try:
        text = file.read_text("utf-8-sig").rstrip()
        names = _names_in_json(text) if file.suffix.lower() == ".json" else tuple(map(str.strip, text.splitlines()))
    except (OSError, ValueError) as error:
        raise _no_labels(file, str(error)) from error
    if not names or not all(names):
        raise _no_labels(file, "a line without a name" if names else "no names in it")
    if len(names) > 1 and file.suffix.lower() != ".json" and (_numbered(names) or _numbered(names[1:])):
        raise _no_labels(
            file, f"numbered lines such as {names[1]!r}; where the numbers are part of the names, write JSON"
        )
    return names


NUMBERED = (
    (re.compile(r"(\d+)[\s,:;].*"), 0),
    (re.compile(r"(\d+)[\t,:;].*"), 1),
    (re.compile(r".*[\t,;]\s*(\d+)"), 0),
)
"""Lines with a number that belongs to no name, and where such numbers start; 1 star, 2 stars are names."""


def _numbered(lines: Sequence[str]) -> bool:
    """Whether each line has a number, and they count the lines, in any order."""
    for form, first in NUMBERED:
        numbers = [int(match[1]) for match in map(form.fullmatch, lines) if match is not None]
        if numbers and sorted(numbers) == list(range(first, first + len(lines))):
            return True
    return False


def _names_in_json(text: str) -> tuple[str, ...]:
    content = json.loads(text)
    inner = [content.get(key) for key in LABEL_KEYS] if isinstance(content, dict) else []
    return next(filter(None, map(names_in, [content, *inner])), ())


def _no_labels(file: Path, why: str) -> UsageError:
    return UsageError(
        got=f"--labels {file} ({why})",
        allowed='a name a line; or JSON: a list of names, {"0": "name"} or {"name": 0}',
        do="write the names of all classes in the order of the model's logits",
    )


def with_labels(reference: Reference, file: Path | None) -> Reference:
    """`reference` with the names in `file` where given, else those of its weights. Raises UsageError unless they are as many as its
    classes.
    """
    names, stated_by = reference.labels, reference.labels_stated_by
    if file is not None:
        names, stated_by = read_labels(file), f"--labels {file.name}"
        if reference.labels not in ((), names):
            note = f"class names: {stated_by} is used; {reference.labels_stated_by} says {listed(reference.labels)}"
            reference = replace(reference, notes=(*reference.notes, note))
    if reference.spec.task is Task.FEATURES:
        if file is not None:
            raise UsageError(
                got=f"--labels for {reference.spec.name}, whose task is {reference.spec.task}",
                allowed="--labels for a model that gives classes",
                do="leave --labels out",
            )
        names = ()
    return renamed(reference, named(reference.spec.num_classes, names, stated_by))


def renamed(reference: Reference, classes: Classes) -> Reference:
    return replace(reference, labels=classes.names, labels_stated_by=classes.stated_by)


def classes_of(reference: Reference) -> Classes:
    return Classes(logits=reference.spec.num_classes, names=reference.labels, stated_by=reference.labels_stated_by)


def manifest_classes(manifest: Manifest, file: Path | None = None) -> Classes:
    """Classes with the names in `file` where given, else those of the manifest. Raises UsageError unless they are as many."""
    logits = manifest.model.num_classes
    if file is not None:
        return named(logits, read_labels(file), f"--labels {file.name}")
    names, negative = manifest.labels, manifest.negative_label
    stated_by = manifest.labels_stated_by or "the manifest"
    return named(logits, [negative, *names] if negative else names, stated_by)


def manifest_labels(reference: Reference) -> tuple[tuple[str, ...], str | None]:
    """A manifest's "labels", a name for every logit, and its "negative_label", of a single one that of its negative sign."""
    names = reference.labels
    return (names[1:], names[0]) if len(names) > reference.spec.num_classes else (names, None)


def open_images(reference: Reference, source: Path | None) -> tuple[Reference, ImageDataset | None]:
    """A user's images, labelled where their labels are the model's classes; and `reference`, with names assumed from the images where
    nobody stated any. None for the bundled images.

    Raises DataError for what `open_labelled` refuses.
    """
    if source is None:
        return reference, None
    if not own_classes(reference):
        return reference, open_dataset(source)
    dataset, classes = open_labelled(source, classes_of(reference))
    return renamed(reference, classes), dataset


def open_labelled(source: Path, classes: Classes) -> tuple[ImageDataset, Classes]:
    """A user's images with the labels that are the model's classes, and these classes as they are known then.

    Known names are met by name. Otherwise as many folders as the model has classes are taken for these in their order, and fewer for
    no classes at all (a camera's 100APPLE, 101APPLE). Raises DataError for a class that the model does not have.
    """
    dataset = open_dataset(source, classes.names or None)
    own, labels = dataset.class_names, dataset.labels
    if labels is None or (classes.names and own == classes.names):
        return dataset, classes
    found = int(labels.max()) + 1 if own is None else len(own)
    what = "labels up to" if own is None else "class folders:" if source.is_dir() else "class names:"
    if found > classes.count:
        raise DataError(
            got=f"{what} {found - 1 if own is None else listed(own)} in {source}, for a model of {classes.count} classes",
            allowed=f"the model's classes, at most {classes.count}",
            do="pass the images of this model's task, or all of them without labels, in one folder",
        )
    if own is None:
        return dataset, classes
    if found < classes.count:
        what = "folders" if source.is_dir() else "names"
        remark = f"{found} {what} are not the {classes.count} classes of the model: the images count as unlabelled"
        return Relabelled(dataset=dataset, remarks=(remark,)), classes
    stated_by = f"{ASSUMED}{'folder names' if source.is_dir() else f'the names in {source.name}'}"
    assumed = named(classes.logits, own, stated_by)
    remark = order_remark(assumed)
    return Relabelled(dataset=dataset, labels=labels, class_names=own, remarks=(remark,)), assumed


def order_remark(classes: Classes) -> str:
    """That the order of the classes is a guess, and timm's guess where that is another."""
    remark = f"class order {classes.stated_by}: {listed(classes.names)}"
    timms = sorted(classes.names, key=_natural)
    if tuple(timms) == classes.names:
        return remark
    return f"{remark}; timm would have {listed(timms)}: if the model was trained so, pass the names with --labels FILE"


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts as timm does: by the value of numbers, and whatever the case (timm/data/readers/reader_image_folder.py)."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def own_classes(reference: Reference) -> bool:
    """Whether labels of a user's images are classes of the model: of a classifier whose weights mean something."""
    return reference.spec.task is Task.CLASSIFICATION and reference.lineage != "random"


def task_matches(reference: Reference, images: Images) -> bool:
    """Whether the images' labels are the model's classes: of a user's images as `own_classes`, of the bundled ones only for bundled
    weights.
    """
    bundled = images.dataset.source.startswith("bundled:")
    return own_classes(reference) and (not bundled or reference.lineage == "bundled")


def known_labels(reference: Reference, images: Images) -> NDArray[np.int64] | None:
    """(images,) true classes; None where accuracy means nothing: no labels, or those of another task."""
    return images.labels(classes_of(reference).count) if task_matches(reference, images) else None


def credible_labels(reference: Reference, images: Images, expected: Logits) -> NDArray[np.int64] | None:
    """`known_labels`, but None where they are guessed and the reference, whose logits are `expected`, contradicts the guess."""
    labels = known_labels(reference, images)
    return labels if order_warning(classes_of(reference), labels, expected) is None else None


def image_notes(reference: Reference, images: Images, expected: Logits) -> tuple[str, ...]:
    """What a user should know of the images that judged, a sentence each; `expected` are the reference's logits of them."""
    warning = order_warning(classes_of(reference), known_labels(reference, images), expected)
    return (*images.dataset.notes, *([] if warning is None else [warning]))


def order_warning(classes: Classes, labels: NDArray[np.int64] | None, logits: Logits) -> str | None:
    """A warning where labels are guessed and logits, the reference's where these are known, contradict the guess."""
    found = None if labels is None or not classes.guessed else contradiction(logits, labels)
    return None if found is None else guess_warning(classes, found)


def guess_warning(classes: Classes, found: str) -> str:
    """That a guess about the order of the classes is contradicted, by what was `found`."""
    order = f"the class order is {classes.stated_by}" if classes.stated_by else "nobody stated the order of the classes"
    return f"warning: {found}; {order}, and is probably not the model's: pass its names with --labels FILE"
