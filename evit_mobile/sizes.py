"""Several input sizes of one model in one Core ML package: each is prepared, judged and reported by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from converters.contract import Precision, Target
from converters.coreml.lower import check_functions
from converters.coreml.options import Options
from converters.coreml.target import CoreMLTarget
from evit_mobile.data import Images
from evit_mobile.errors import UsageError
from evit_mobile.interface import Interface
from evit_mobile.preparation import Lowerable, Report, prepare
from evit_mobile.reference import Reference, Size, at_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The model at one input size: what is lowered, and what the file is then held against."""

    lowerable: Lowerable
    reference: Reference
    held_out: Images


def check_sizes(
    sizes: Sequence[Size], size: Size | None, targets: Sequence[Target], interface: Interface, variation: str | None
) -> None:
    """Raises UsageError for what cannot be with several sizes, OptionError for an interface that cannot."""
    if not sizes:
        return
    faults = {
        "--size with --sizes": (size is not None, "one of them: the first of --sizes is the usual size"),
        f"--sizes with --{variation}": (variation is not None, "--sizes without a change of function"),
        f"--sizes for {', '.join(target.name for target in targets)}": (
            not any(isinstance(target, CoreMLTarget) for target in targets),
            "--sizes with --format coreml, other formats beside it get the first size",
        ),
        f"--sizes {','.join(f'{height}x{width}' for height, width in sizes)}": (
            len(set(sizes)) < max(2, len(sizes)),
            "two or more different sizes",
        ),
    }
    for got, (faulty, allowed) in faults.items():
        if faulty:
            raise UsageError(got=got, allowed=allowed, do="leave one out, or convert once per size with --size")
    check_functions(Options(classes=interface.class_output, release=interface.ios))


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
    core_ml = [target for target in targets if isinstance(target, CoreMLTarget)]
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
            core_ml,
            report,
            max_drop=max_drop,
            cache=cache,
            rounded_like=first.program,
        )
        lowerable = prepared[core_ml[0].precisions[precision]]
        forms.append(Form(lowerable=lowerable, reference=resized, held_out=judging))
    return tuple(forms)


def images_at(images: Images, size: Size) -> Images:
    """The same images, preprocessed for `size`."""
    return replace(images, preprocess=replace(images.preprocess, size=size))
