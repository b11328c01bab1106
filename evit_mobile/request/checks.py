"""Every refusal of `convert`, before any work. The order is that of what they have to know.

`check_values` knows the request alone and runs when one is made; `usable_targets` also knows what is installed; `check_folder` looks at
the output folder; `check_model` knows the loaded model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from converters.contract import Precision, Target
from converters.interface import Choices, Interface
from converters.misspelt import did_you_mean
from converters.qualcomm.socs import find_socs
from converters.registry import COMPILED, DELEGATES, TARGETS, all_formats, find_installed_target, find_target, judges_of
from converters.traits import AnswersByName, ForGpus, ForReleases
from evit_mobile.errors import UsageError
from evit_mobile.request.precisions import check_integers, check_max_drop, check_observer
from evit_mobile.spec import ModelSpec, Task, Variation, check_size

if TYPE_CHECKING:
    from evit_mobile.reference import Reference
    from evit_mobile.request.request import ConvertRequest

MODULE = "module"
"""The `model` of a request for a live module, which no file can hold."""


def check_values(request: ConvertRequest) -> None:
    """Raises UsageError for values that are wrong, or wrong together, whatever the model and the targets are."""
    check_module(request)
    check_max_drop(request.max_drop, request.precision)
    check_integers(request.variation, request.precision)
    check_observer(request.observer, request.precision)
    check_sizes(request)
    check_socs(request)
    if request.float_io and request.precision is not Precision.INT8_FULL:
        raise UsageError(
            got=f"--float-io with precision {request.precision}, whose input and output are float anyway",
            allowed="--float-io with --int8-full",
            do="leave it out, or add --int8-full",
        )
    for option, count in (("--golden", request.golden), ("--recovery-steps", request.recovery_steps)):
        if count is not None and count < 0:
            raise UsageError(got=f"{option} {count}", allowed="0 or more", do=f"pass {option} N with N >= 0")
    if request.image_input and request.float_io:
        raise UsageError(
            got="--image-input with --float-io",
            allowed="one of them: an image is integers already",
            do="leave --float-io out",
        )
    if request.recovery_steps is not None and request.variation is None:
        raise UsageError(
            got="--recovery-steps without anything to recover",
            allowed="--recovery-steps with --relu-attention or --relu-activation",
            do="leave it out, or add one of these",
        )


def check_module(request: ConvertRequest) -> None:
    """Raises UsageError for the request of a live module without it, as one that was saved is."""
    if request.model == MODULE and request.module is None:
        raise UsageError(
            got="a request for a live module, which is not in the request",
            allowed="the module again, or its weights in a file",
            do="call evit_mobile.convert(module, ...), or save its state dict and add --model NAME --weights FILE",
        )


def check_sizes(request: ConvertRequest) -> None:
    """Raises UsageError for sizes that no model has, and for what cannot be with several."""
    for size in (*([] if request.size is None else [request.size]), *request.sizes):
        check_size(size)
    if not request.sizes:
        return
    listed = ",".join(f"{height}x{width}" for height, width in request.sizes)
    faults = {
        "--size with --sizes": (request.size is not None, "one of them: the first of --sizes is the usual size"),
        f"--sizes with --{request.variation}": (
            request.variation is not None,
            "--sizes without a change of function",
        ),
        f"--sizes {listed}": (
            len(set(request.sizes)) < max(2, len(request.sizes)),
            "two or more different sizes",
        ),
    }
    for got, (faulty, allowed) in faults.items():
        if faulty:
            raise UsageError(got=got, allowed=allowed, do="leave one out, or convert once per size with --size")


def check_socs(request: ConvertRequest) -> None:
    """Raises UnknownSocError for a SoC that there is not, UsageError for what is not compiled for any."""
    find_socs(request.socs)
    asked = " ".join(f"--soc {name}" for name in request.socs)
    if asked and request.formats is not None and not COMPILED.keys() & set(request.formats):
        raise UsageError(
            got=f"{asked} for {', '.join(request.formats)}",
            allowed=f"--soc with --format {' or '.join(COMPILED)}, of whose files the compiled ones are made",
            do="add --format tflite, or leave --soc out",
        )
    if asked and request.precision not in (Precision.INT8, Precision.INT8_FULL, Precision.A16W8):
        raise UsageError(
            got=f"{asked} with precision {request.precision}",
            allowed="--soc with --int8, --int8-full or --a16w8",
            do="choose one of these, or leave --soc out",
        )
    if asked and request.image_input:
        raise UsageError(
            got=f"{asked} with --image-input",
            allowed="one of both: compiled files take a tensor, not pixels",
            do="leave --image-input out, or convert once with each",
        )


def usable_targets(request: ConvertRequest) -> tuple[Target, ...]:
    """The targets that the request names, if they are installed and have what is asked of them.

    Raises UsageError, UnknownTargetError, OptionError, ToolchainError.
    """
    precision = request.precision
    names = with_delegate(request.formats or formats_with(precision), request.delegate)
    targets = tuple(usable_target(name, precision) for name in dict.fromkeys(names))
    check_interface(request, targets)
    compiled = [name for name in COMPILED if name in names]
    targets += tuple(
        usable_target(soc.format_of(name), precision) for name in compiled for soc in find_socs(request.socs)
    )
    check_size_targets(request, targets)
    check_judges(request.on, [target.name for target in targets])
    return for_cpus(targets) if request.cpu_only else targets


def formats_with(precision: Precision) -> list[str]:
    """Every format that has the precision, as "all" means it."""
    return [name for name in all_formats() if precision in find_target(name).precisions]


def with_delegate(formats: Sequence[str], delegate: str | None) -> list[str]:
    """`formats`, the one that has several delegates being that of `delegate`. Raises UsageError where none has it."""
    if delegate is None:
        return list(formats)
    chosen = [DELEGATES.get(name, {}).get(delegate, name) for name in formats]
    if delegate not in {known for name in formats for known in DELEGATES.get(name, {})}:
        raise UsageError(
            got=f"--delegate {delegate} for {', '.join(formats)}",
            allowed="; ".join(f"{', '.join(known)} for {name}" for name, known in DELEGATES.items()),
            do=did_you_mean(delegate, chain(*DELEGATES.values()), "choose one of these, and add its --format"),
        )
    return chosen


def usable_target(name: str, precision: Precision) -> Target:
    """The target, if it is installed and has the precision. Raises ToolchainError, UsageError, UnknownTargetError."""
    target = find_installed_target(name)
    if precision not in target.precisions:
        raise UsageError(
            got=f"precision {precision} for format {name}",
            allowed=", ".join(target.precisions),
            do="choose one of these, or another format",
        )
    return target


def check_interface(request: ConvertRequest, targets: Sequence[Target]) -> None:
    """Raises UsageError when a target has no such interface, OptionError when the precision needs a newer iOS."""
    given = {"--image-input": request.image_input, "--class-output": request.class_output}
    asked = " and ".join(name for name, wanted in given.items() if wanted)
    refusing = ", ".join(target.name for target in targets if not target.takes_pixels)
    if asked and refusing:
        raise UsageError(
            got=f"{asked} for {refusing}",
            allowed=f"{asked} for {', '.join(name for name in TARGETS if find_target(name).takes_pixels)}",
            do="leave it out, or convert for this format in a call of its own",
        )
    releases = [target for target in targets if isinstance(target, ForReleases)]
    for target in releases:
        target.check_release(request.ios, request.precision)
    if request.ios is not None and not releases:
        raise UsageError(
            got=f"--ios for {', '.join(target.name for target in targets)}",
            allowed="it with Core ML",
            do="add --format coreml, or leave it out",
        )


def check_size_targets(request: ConvertRequest, targets: Sequence[Target]) -> None:
    """Raises UsageError where no target takes several sizes, OptionError for an interface that cannot."""
    if not request.sizes:
        return
    if not any(target.several_sizes for target in targets):
        raise UsageError(
            got=f"--sizes for {', '.join(target.name for target in targets)}",
            allowed=f"--sizes with --format {' or '.join(name for name in TARGETS if find_target(name).several_sizes)}, "
            "other formats beside it get the first size",
            do="leave one out, or convert once per size with --size",
        )
    choices = Choices(interface=Interface(classes=request.class_output), release=request.ios)
    for target in targets:
        if isinstance(target, ForReleases):
            target.check_functions(choices)


def for_cpus(targets: Sequence[Target]) -> tuple[Target, ...]:
    """The targets, those of files for GPUs in the form for CPUs only. Raises UsageError where there is none."""
    if not any(isinstance(target, ForGpus) for target in targets):
        raise UsageError(
            got=f"--cpu-only for {', '.join(target.name for target in targets)}",
            allowed="it with LiteRT, whose files GPUs run as well",
            do="add --format tflite, or leave it out",
        )
    return tuple(target.for_cpus() if isinstance(target, ForGpus) else target for target in targets)


def check_judges(asked: Sequence[str], formats: Sequence[str]) -> None:
    """Raises UsageError for a judge of none of the formats."""
    known = {format: judges_of(format) for format in formats}
    strange = [name for name in asked if not any(name in names for names in known.values())]
    if strange:
        raise UsageError(
            got=f"{' '.join(f'--on {name}' for name in strange)} for {', '.join(formats)}",
            allowed="; ".join(f"{', '.join(names) or 'no judge here'} for {format}" for format, names in known.items()),
            do=did_you_mean(
                strange[0], chain(*known.values()), "name one of these, or leave --on out for the usual ones"
            ),
        )


def check_folder(folder: Path) -> None:
    """Creates the output folder; what is wrong with it is better said now than after the work.

    Raises UsageError when it cannot be written to, ArtefactError when a manifest is there that cannot be added to, or something else
    where the golden vectors go.
    """
    from evit_mobile.record.files import read_manifest
    from evit_mobile.record.manifest import FILE_NAME
    from evit_mobile.validation.golden import check_place

    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(
            got=f"output folder {folder} ({error.strerror})",
            allowed="a folder that can be written to",
            do="pass --out DIR",
        ) from None
    if (folder / FILE_NAME).exists():
        read_manifest(folder)
    check_place(folder)


def check_model(request: ConvertRequest, reference: Reference) -> None:
    """Raises UsageError for what the loaded model cannot have, and for your own weights without images where these are needed;
    DataError for preprocessing that is stated with them and cannot be met.
    """
    _ = reference.preprocessing
    check_task(request, reference.spec)
    check_logits(request, reference)
    check_integers(reference.spec.variation, request.precision)
    check_images(reference, request.calib, request.precision, request.variation)


def check_task(request: ConvertRequest, spec: ModelSpec) -> None:
    """Raises UsageError for what only a classifier has, or only a model with classes, asked of another model."""
    named = (Task.CLASSIFICATION, Task.SEGMENTATION)
    wanted = {
        "--max-drop": (request.max_drop is not None, (Task.CLASSIFICATION,)),
        "--class-output": (request.class_output, named),
    }
    for name, (asked, tasks) in wanted.items():
        if asked and spec.task not in tasks:
            raise UsageError(
                got=f"{name} for {spec.name}, whose task is {spec.task}",
                allowed=f"{name} for a model of the task {' or '.join(tasks)}",
                do="leave it out",
            )


def check_class_output(
    request: ConvertRequest, targets: Sequence[Target], spec: ModelSpec, names: Sequence[str]
) -> None:
    """Raises UsageError where `--class-output` has other than one name a class, in one line each and for Core ML different ones; for a
    single logit; and for maps of classes in Core ML.
    """
    if not request.class_output:
        return
    by_name = " and ".join(target.name for target in targets if isinstance(target, AnswersByName))
    if by_name and spec.task is not Task.CLASSIFICATION:
        raise UsageError(
            got=f"--class-output for {spec.name}, whose task is {spec.task}, with {by_name}",
            allowed=f"it with {by_name} for a model of the task {Task.CLASSIFICATION}",
            do=f"leave it out, or convert for {by_name} in a call of its own",
        )
    usable = [name for name in names if name.strip() and len(name.splitlines()) == 1]
    found = len(set(usable)) if by_name else len(usable)
    if spec.num_classes == 1 or not found == len(names) == spec.num_classes:
        kind = "different" if by_name else "one-line"
        raise UsageError(
            got="--class-output for a model of one logit, whose classes are its signs"
            if spec.num_classes == 1
            else f"--class-output with {found} {kind} names for the {spec.num_classes} classes",
            allowed="--class-output with a name for each class",
            do="pass --labels FILE or images in a folder per class, or leave --class-output out",
        )


def check_logits(request: ConvertRequest, reference: Reference) -> None:
    """Raises UsageError for `--class-output` of a live module whose outputs are probabilities already."""
    if request.class_output and (last := reference.ends_in):
        raise UsageError(
            got=f"--class-output for a module that ends in {last}",
            allowed="--class-output for logits, of which the file makes probabilities itself",
            do=f"pass the module without its {last}, or leave --class-output out",
        )


def check_images(
    reference: Reference, source: str | None, precision: Precision, variation: Variation | None = None
) -> None:
    """Raises UsageError for int8 activations, or a variation, of a user's own weights without `source`: on other people's images
    ranges are wrong and nothing is recovered.
    """
    own = reference.lineage not in ("bundled", "random")
    if source is None and own and (precision.calibrated or variation is not None):
        raise UsageError(
            got=f"{precision if variation is None else f'--{variation}'} for your own weights without calibration images",
            allowed="a folder or file with images of the kind the model was trained on (100 to 1000 are enough)",
            do="pass --calib DIR",
        )
