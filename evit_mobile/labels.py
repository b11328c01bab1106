"""Which labels of images are classes of a model, and what these are called."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evit_mobile.data import Images
from evit_mobile.reference import Reference
from evit_mobile.spec import Task


def class_names(reference: Reference, held_out: Images) -> tuple[str, ...]:
    """Names of the classes: the checkpoint's, or those of the user's images when there are as many as the model has."""
    names = reference.labels or (held_out.dataset.class_names if task_matches(reference, held_out) else None)
    return names if names and len(names) == reference.spec.num_classes else ()


def task_matches(reference: Reference, images: Images) -> bool:
    """Whether the images' labels are a classifier's classes: always of a user's images, of the bundled ones only for bundled weights."""
    own_images = not images.dataset.source.startswith("bundled:")
    same_classes = reference.lineage == "bundled" or (own_images and reference.lineage != "random")
    return same_classes and reference.spec.task is Task.CLASSIFICATION


def known_labels(reference: Reference, images: Images) -> NDArray[np.int64] | None:
    """(images,) true classes; None where accuracy means nothing: no labels, or those of another task."""
    return images.labels(reference.spec.num_classes) if task_matches(reference, images) else None
