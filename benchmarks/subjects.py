"""The networks that are measured, the images they see, and what the process that measures needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.description import RIVALS, Description
from benchmarks.rivals import SIZE, count_macs, deployable, rival
from evit_mobile.images.data import Images, calibration_images, held_out_images, preprocess_for
from evit_mobile.labels import known_labels
from evit_mobile.metrics import top_k_accuracy
from evit_mobile.models.bundled import BUNDLED
from evit_mobile.models.complexity import count_macs as efficientvit_macs
from evit_mobile.prepare.preparation import run_module
from evit_mobile.reference import Reference, load_reference
from evit_mobile.spec import find_spec

SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A network as PyTorch has it, `reference`, with images (bundled ones) to calibrate and to judge with."""

    reference: Reference
    macs: int
    calibration: Images
    held_out: Images

    @property
    def example(self) -> torch.Tensor:
        """An input (1, 3, H, W)."""
        return torch.zeros(1, 3, *self.reference.spec.size)

    @property
    def deployable(self) -> Reference:
        """What our own converters start from: the reference, or a rival in the form they take."""
        if self.reference.spec.name not in RIVALS:
            return self.reference
        return replace(self.reference, module=deployable(self.reference.module))


def load_subject(name: str) -> Subject:
    """An EfficientViT variant, with its trained weights where they are bundled, or a rival. Raises UsageError."""
    if name in RIVALS:
        reference = rival_reference(name)
        macs = count_macs(reference.module)
    else:
        reference = load_reference(name, weights="bundled" if name in BUNDLED else "random", seed=SEED)
        reference.module.requires_grad_(False)
        macs = efficientvit_macs(reference.spec)
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, SEED)
    held_out = held_out_images(None, calibration, preprocess, SEED)
    return Subject(reference=reference, macs=macs, calibration=calibration, held_out=held_out)


def rival_reference(name: str) -> Reference:
    """A timm model as a Reference. Of its spec, only name, size and class count are read."""
    spec = replace(find_spec("efficientvit_m0", size=SIZE), name=name)
    module = rival(name)
    return Reference(
        spec=spec,
        module=module,
        weights="random",
        source="timm",
        origin="timm",
        keys=len(module.state_dict()),
        sha256=None,
    )


def describe_subject(name: str, folder: Path) -> Description:
    """Writes the held-out images and the reference's logits into `folder`, and says what they are."""
    subject = load_subject(name)
    reference, held_out = subject.reference, subject.held_out
    images = np.concatenate(list(held_out.batches()))
    logits = run_module(reference.module, held_out.batches())
    classes = reference.spec.num_classes
    labels = known_labels(reference, held_out)
    description = Description(
        name=name,
        weights=reference.weights,
        macs=subject.macs,
        params=sum(parameter.numel() for parameter in reference.module.parameters()),
        size=reference.spec.size,
        classes=classes,
        reference_top1=None if labels is None else top_k_accuracy(logits, labels, 1),
    )
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images)
    np.save(folder / "logits.npy", logits)
    if labels is not None:
        np.save(folder / "labels.npy", labels)
    return description
