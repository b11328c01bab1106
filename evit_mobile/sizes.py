"""Several input sizes of one model in one Core ML package: each is prepared, judged and reported by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from converters.contract import Precision, Target
from evit_mobile.data import Images
from evit_mobile.preparation import Lowerable, prepare
from evit_mobile.progress import Report
from evit_mobile.reference import Reference, Size, at_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The model at one input size: what is lowered, and what the file is then held against."""

    lowerable: Lowerable
    reference: Reference
    held_out: Images


def prepare_sizes(
    sizes: Sequence[Size],
    reference: Reference,
    calibration: Images,
    held_out: Images,
    precision: Precision,
    targets: Sequence[Target],
    report: Report,
    *,
    max_drop: float | None = None,
    cache: bool = True,
    first: Lowerable,
) -> tuple[Form, ...]:
    """`reference` at each of `sizes`, prepared like at its own with the same images, resized.

    `first` is what is lowered for its own size: fp16 weights are those, so that the package stores them once.
    """
    sized = [target for target in targets if target.several_sizes]
    forms = []
    for size in sizes:
        report(f"preparing {size[0]}x{size[1]}")
        resized = at_size(reference, size)
        calibrating, judging = (images_at(images, size) for images in (calibration, held_out))
        prepared = prepare(
            resized,
            calibrating,
            judging,
            precision,
            sized,
            report,
            max_drop=max_drop,
            cache=cache,
            rounded_like=first.program,
        )
        lowerable = prepared[sized[0].precisions[precision]]
        forms.append(Form(lowerable=lowerable, reference=resized, held_out=judging))
    return tuple(forms)


def images_at(images: Images, size: Size) -> Images:
    """The same images, preprocessed for `size`."""
    return replace(images, preprocess=replace(images.preprocess, size=size))
