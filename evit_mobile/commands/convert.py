"""convert(): from a trained model to proven artefacts, as a page of named steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

import evit_mobile
from converters.contract import Artefact, Metadata, Precision, Target
from converters.coreml.target import CoreMLTarget
from converters.errors import ConverterError, NoRuntimeError
from converters.registry import DELEGATES, TARGETS, find_installed_target, find_target
from evit_mobile.data import CALIBRATION_IMAGES, Images, calibration_images, held_out_images
from evit_mobile.document import class_names, compose, known_labels
from evit_mobile.errors import UsageError
from evit_mobile.interface import TENSORS, Interface, check_interface, with_interface
from evit_mobile.manifest import FILE_NAME, ArtefactRecord, read_manifest, write_manifest
from evit_mobile.max_drop import IMAGES as MAX_DROP_IMAGES
from evit_mobile.max_drop import require_int8, run_artefact
from evit_mobile.preparation import Report, prepare, run_module, silent
from evit_mobile.recovery import recover
from evit_mobile.reference import Reference, load_reference
from evit_mobile.sizes import Form, check_sizes, prepare_sizes
from evit_mobile.spec import ModelSpec, Task, Variation
from evit_mobile.speed import against_fp32
from evit_mobile.validation import golden as golden_vectors
from evit_mobile.validation.metrics import Logits
from evit_mobile.validation.settings import with_settings
from evit_mobile.validation.sizes import overall, size_validation
from evit_mobile.validation.thresholds import MIN_IMAGES
from evit_mobile.validation.verdict import Validation, Verdict, judge, not_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What `convert` leaves behind. `manifest` is the content of manifest.json in `folder`."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def proven(self) -> bool:
        """Whether every artefact of the manifest passed its validation."""
        return all(entry["validation"]["verdict"] == Verdict.PASSED for entry in self.manifest["artefacts"])


def convert(
    model: str | ModelSpec | nn.Module | None = None,
    *,
    formats: Sequence[str] | None = None,
    precision: Precision | str = Precision.INT8,
    weights: str | Path | None = None,
    size: tuple[int, int] | None = None,
    sizes: Sequence[tuple[int, int]] = (),
    num_classes: int | None = None,
    calib: Path | str | None = None,
    out: Path | str = "out",
    max_drop: float | None = None,
    seed: int = 0,
    float_io: bool = False,
    variation: Variation | str | None = None,
    recovery_steps: int | None = None,
    cache: bool = True,
    interface: Interface = TENSORS,
    delegate: str | None = None,
    golden: int = 8,
    report: Report = silent,
) -> Conversion:
    """Writes one artefact per format into `out`, each validated by running the written file, and a manifest.

    `model` is a variant's name, a ModelSpec, a live module of timm's, MIT's or Microsoft's class, or None for the bundled
    efficientvit_m0. `sizes`, in place of `size`, are all that a Core ML package takes images of; the first is everything else's.
    `weights` is a file, "bundled", "hub", "hf://..." or "random". `calib` is a folder or file of images;
    half of its images calibrate, the others judge. `formats` None is every one that has the precision. `max_drop` is how many
    points of top-1 (of agreement, without labels) an int8 artefact may lose; modules stay float until it does not. `float_io`
    gives an int8-full artefact float input and output. With a `variation` the model's function changes: it is recovered from
    the original, in `recovery_steps` steps, on images that do not judge, and its weights are written beside the artefacts,
    which are proven against them. With `cache`, a calibration that was done before is not repeated. `interface` is that
    of the Core ML package; `delegate` is what an ExecuTorch file calls, XNNPACK by default. `golden` is the number of golden
    vectors to write for apps (docs/golden.md); only classifiers have them.
    Raises the errors of `evit_mobile.errors`, calib and converters; a failed validation is not an error but a
    verdict in the manifest.
    """
    precision, folder = Precision(precision), Path(out)
    require_int8(max_drop, precision)
    names = with_delegate(formats or formats_with(precision), delegate)
    targets = [usable_target(name, precision) for name in dict.fromkeys(names)]
    check_interface(interface, targets, precision)
    check_sizes(sizes, size, targets, interface, variation)
    size = sizes[0] if sizes else size
    prepare_folder(folder)
    report("loading weights")
    reference = load_reference(model, weights=weights, size=size, num_classes=num_classes, seed=seed)
    source = None if calib is None else Path(calib)
    check_task(reference.spec, max_drop, interface)
    check_integers(variation or reference.spec.variation, precision)
    if variation is not None:
        check_images(reference, source, precision, variation := Variation(variation))
        reference = recover(reference, variation, source, folder, steps=recovery_steps, seed=seed, report=report)
    judges = None if max_drop is None else MAX_DROP_IMAGES
    calibration, held_out = choose_images(reference, source, precision, seed, judges)
    prepared = prepare(
        reference, calibration, held_out, precision, targets, report, max_drop=max_drop, float_io=float_io, cache=cache
    )
    any_form = next(iter(prepared.values()))
    further = prepare_sizes(
        sizes[1:],
        reference,
        calibration,
        held_out,
        precision,
        targets,
        report,
        max_drop=max_drop,
        cache=cache,
        first=any_form,
    )
    records: list[ArtefactRecord] = []
    failures: list[BaseException] = []  # none of them loses what has been proven
    for target in targets:
        lowerable = prepared[target.precisions[precision]]
        forms = [Form(lowerable=lowerable, reference=reference, held_out=held_out)]
        forms += further if isinstance(target, CoreMLTarget) else ()
        programs = [form.lowerable.program for form in forms[1:]]
        target = with_interface(target, interface, held_out.preprocess, programs)
        try:
            records.append(produce(target, forms, precision, folder, report, max_drop))
        except (ConverterError, OSError) as error:
            failures.append(error)
        except KeyboardInterrupt as interruption:
            failures.append(interruption)
            break
    if not records:
        raise failures[0]
    plan, protection = any_form.plan, any_form.protection
    document = compose(reference, calibration, held_out, plan, precision, protection, records, folder, seed)
    audits = [asdict(lowerable.audit) for lowerable in prepared.values() if lowerable.audit is not None]
    document["activation_audit"] = audits[0] if audits else document.get("activation_audit")
    report("writing golden vectors")
    try:
        document["golden"] = write_golden(document, folder, reference, held_out, golden)
    except (OSError, KeyboardInterrupt) as error:
        document["golden"] = None
        failures.append(error)
    write_manifest(document, folder)
    if failures:
        raise failures[0]
    return Conversion(folder=folder, manifest=document)


def formats_with(precision: Precision) -> list[str]:
    """Every format that has the precision."""
    return [name for name in TARGETS if precision in find_target(name).precisions]


def with_delegate(formats: Sequence[str], delegate: str | None) -> list[str]:
    """`formats`, the one that has several delegates being that of `delegate`. Raises UsageError where none has it."""
    if delegate is None:
        return list(formats)
    chosen = [DELEGATES.get(name, {}).get(delegate, name) for name in formats]
    if delegate not in {known for name in formats for known in DELEGATES.get(name, {})}:
        raise UsageError(
            got=f"--delegate {delegate} for {', '.join(formats)}",
            allowed="; ".join(f"{', '.join(known)} for {name}" for name, known in DELEGATES.items()),
            do="choose one of these, and add its --format",
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


def prepare_folder(folder: Path) -> None:
    """Creates the output folder; what is wrong with it is better said now than after the work.

    Raises UsageError when it cannot be written to, ArtefactError when a manifest is there that cannot be added to, or something else
    where the golden vectors go.
    """
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
    golden_vectors.check_place(folder)


def choose_images(
    reference: Reference, source: Path | None, precision: Precision, seed: int, judges: int | None = None
) -> tuple[Images, Images]:
    """Images to calibrate with and up to `judges` images to judge with, None for as many as its task needs; never the same ones.

    Raises UsageError as `check_images`.
    """
    check_images(reference, source, precision)
    preprocess = reference.preprocessing.preprocess
    task = reference.spec.task
    calibration = calibration_images(source, preprocess, seed, CALIBRATION_IMAGES[task])
    count = MIN_IMAGES[task] if judges is None else judges
    return calibration, held_out_images(source, calibration, preprocess, seed, count, learned=reference.learned)


def check_task(spec: ModelSpec, max_drop: float | None, interface: Interface) -> None:
    """Raises UsageError for what only a classifier has, asked of another model."""
    asked = [
        name
        for name, given in (("--max-drop", max_drop is not None), ("--class-output", interface.class_output))
        if given
    ]
    if asked and spec.task is not Task.CLASSIFICATION:
        raise UsageError(
            got=f"{' and '.join(asked)} for {spec.name}, whose task is {spec.task}",
            allowed=f"{' and '.join(asked)} for a model of the task {Task.CLASSIFICATION}",
            do="leave it out",
        )


def check_integers(variation: str | None, precision: Precision) -> None:
    """Raises UsageError for ReLU attention of integers only, a form that there is not yet."""
    if variation == Variation.RELU_ATTENTION and precision is Precision.INT8_FULL:
        others = [other for other in Precision if other is not Precision.INT8_FULL]
        raise UsageError(
            got=f"--{variation} with {precision}",
            allowed=f"--{variation} with {', '.join(others)}",
            do="choose one of these, or convert the original",
        )


def check_images(
    reference: Reference, source: Path | None, precision: Precision, variation: Variation | None = None
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


def produce(
    target: Target,
    forms: Sequence[Form],
    precision: Precision,
    folder: Path,
    report: Report,
    max_drop: float | None = None,
) -> ArtefactRecord:
    """Writes, reopens and judges one artefact, at every size it has; the first form is that of its usual size."""
    lowerable, reference, held_out = forms[0].lowerable, forms[0].reference, forms[0].held_out
    path = folder / f"{reference.spec.title}.{precision}{target.suffix}"
    report(f"writing {path.name}")
    started = time.perf_counter()
    artefact = target.lower(
        lowerable.program, precision, path, describe(reference, precision, class_names(reference, held_out))
    )
    seconds = time.perf_counter() - started
    report(f"validating {path.name}")
    sizes = [
        size_validation(
            form.reference.spec.size,
            prove(target, artefact, form.lowerable.stages, form.held_out, form.reference, max_drop),
        )
        for form in forms
    ]
    speed = None
    if precision in (Precision.INT8, Precision.INT8_WEIGHTS):
        report(f"timing {path.name} against fp32")
        speed = against_fp32(target, path, lowerable.plain, held_out.first(1))
    return ArtefactRecord(
        artefact=artefact,
        delegation=target.inspect(path).delegation,
        npu=target.compile_for_npu(path) if precision is Precision.INT8_FULL else (),
        validation=overall(sizes),
        sizes=tuple(sizes) if len(sizes) > 1 else (),
        speed=speed,
        convert_s=seconds,
    )


def write_golden(
    document: dict[str, Any], folder: Path, reference: Reference, held_out: Images, count: int
) -> dict[str, str] | None:
    """Writes the golden vectors of the manifest's artefacts; None, and no earlier ones left, where none are wanted or apply."""
    if count <= 0 or reference.spec.task is not Task.CLASSIFICATION:
        golden_vectors.remove_golden(folder)
        return None
    labels = known_labels(reference, held_out)
    return golden_vectors.write_golden(
        document, folder, held_out, labels, count, lambda images: run_module(reference.module, [images])
    )


def describe(reference: Reference, precision: Precision, labels: tuple[str, ...]) -> Metadata:
    """What the file says about itself."""
    return Metadata(
        description=f"{reference.spec.title}, {precision}, weights: {reference.weights} ({reference.source})",
        version=evit_mobile.__version__,
        labels=labels,
    )


def prove(
    target: Target,
    artefact: Artefact,
    stages: Sequence[tuple[str, Logits]],
    held_out: Images,
    reference: Reference,
    max_drop: float | None = None,
) -> Validation:
    """Runs the written file on the held-out images and judges it against every stage before it; `max_drop` is the user's own limit,
    in points.
    """
    try:
        logits = run_artefact(target, artefact.path, held_out)
    except NoRuntimeError as error:
        return not_run(target.runtime, str(error))
    compared = [*stages, (artefact.format, logits)]
    labels = known_labels(reference, held_out)
    validation = judge(
        compared, labels, artefact.precision, target.runtime, reference.recovery, max_drop, task=reference.spec.task
    )
    return with_settings(validation, target, artefact.path, held_out)
