"""Several input sizes of one model in one Core ML package or Core AI asset: each is prepared, judged and reported by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evit_mobile.images.data import Images
from evit_mobile.prepare.lowerable import Lowerable, Preparation
from evit_mobile.prepare.preparation import prepare
from evit_mobile.progress import Report
from evit_mobile.reference import Reference, Size, at_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The model at one input size: what is lowered, and what the file is then held against."""

    lowerable: Lowerable
    reference: Reference
    held_out: Images


def prepare_sizes(sizes: Sequence[Size], asked: Preparation, report: Report, *, first: Lowerable) -> tuple[Form, ...]:
    """The model at each of `sizes`, prepared like at its own with the same images, resized.

    `first` is what is lowered for its own size: fp16 weights are those, so that the package stores them once.
    """
    sized = [target for target in asked.targets if target.several_sizes]
    forms = []
    for size in sizes:
        report(f"preparing {size[0]}x{size[1]}")
        resized = replace(
            asked,
            reference=at_size(asked.reference, size),
            calibration=images_at(asked.calibration, size),
            held_out=images_at(asked.held_out, size),
            targets=sized,
        )
        prepared = prepare(resized, report, rounded_like=first.program)
        lowerable = prepared[sized[0].precisions[asked.precision]]
        forms.append(Form(lowerable=lowerable, reference=resized.reference, held_out=resized.held_out))
    return tuple(forms)


def images_at(images: Images, size: Size) -> Images:
    """The same images, preprocessed for `size`."""
    return replace(images, preprocess=replace(images.preprocess, size=size))
