"""convert(): from a trained model to proven artefacts, as a page of named steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from torch import nn

from calib.datasets import ImageDataset
from converters.contract import Artefact, FloatType, Metadata, Precision, Target
from converters.files import atomic_path
from converters.interface import Function
from converters.traits import Compiler, compiled_for_npu
from evit_mobile.commands.document import artefact_entry, asked_model, calibration_entry, compose, described
from evit_mobile.commands.proving import Standard, Written, proved
from evit_mobile.findings import ArtefactRecord
from evit_mobile.images.data import CALIBRATION_IMAGES, Images, calibration_images, held_out_images
from evit_mobile.images.preprocessing import options_of
from evit_mobile.labels import known_labels, manifest_labels, open_images, with_labels
from evit_mobile.prepare.interface import fed, with_interface
from evit_mobile.prepare.lowerable import Lowerable, Preparation, lowered_by
from evit_mobile.prepare.preparation import prepare, run_module
from evit_mobile.prepare.sizes import Form, prepare_sizes
from evit_mobile.progress import Report, silent
from evit_mobile.record.earlier import check_input, check_recovery, check_weights
from evit_mobile.record.files import write_manifest
from evit_mobile.record.manifest import GoldenEntry, Manifest
from evit_mobile.record.plans import write_plan
from evit_mobile.recovery import recover
from evit_mobile.recovery.procedure import varied_spec
from evit_mobile.reference import Reference, load_reference, with_task
from evit_mobile.request import ConvertRequest
from evit_mobile.request.channels import check_channels
from evit_mobile.request.checks import check_class_output, check_folder, check_model, usable_targets
from evit_mobile.spec import ModelSpec, Task
from evit_mobile.thresholds import MIN_IMAGES
from evit_mobile.validation import golden as golden_vectors
from evit_mobile.validation.judges import judges_for
from evit_mobile.validation.max_drop import IMAGES as MAX_DROP_IMAGES
from evit_mobile.validation.probabilities import gives_probabilities
from evit_mobile.validation.speed import against_fp32
from evit_mobile.validation.verdict import Terms
from evit_mobile.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What `convert` leaves behind. `manifest` is manifest.json in `folder`."""

    folder: Path
    manifest: Manifest

    @property
    def proven(self) -> bool:
        """Whether every artefact of the manifest passed its validation."""
        return self.manifest.proven


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one conversion works with: what was asked for, the model that artefacts are held against, and images."""

    request: ConvertRequest
    targets: tuple[Target, ...]
    reference: Reference
    calibration: Images
    held_out: Images

    @property
    def folder(self) -> Path:
        return Path(self.request.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is lowered: for the usual input size by the floats of the target, and at the further sizes of a Core ML package."""

    usual: dict[FloatType, Lowerable]
    further: tuple[Form, ...]

    @property
    def first(self) -> Lowerable:
        """Any form of the usual size: plan and protection are those of all."""
        return next(iter(self.usual.values()))


def convert(model: str | ModelSpec | nn.Module | None = None, *, report: Report = silent, **options: Any) -> Conversion:
    """Writes one artefact per format into the folder `out`, each validated by running the written file, and a manifest.

    `model` is a variant's name, a ModelSpec, a live module of timm's, MIT's or Microsoft's class, or None for the bundled
    efficientvit_m0. `options` are the fields of `ConvertRequest`, which says what each means. Raises the errors of
    `evit_mobile.errors`, calib and converters; a failed validation is not an error but a verdict in the manifest.
    """
    return run(ConvertRequest.of(model, **options), report)


def run(request: ConvertRequest, report: Report = silent) -> Conversion:
    """Does what is asked for, as `convert`."""
    targets = usable_targets(request)
    check_folder(Path(request.out))
    job = gather(request, targets, report)
    prepared = prepare_all(job, report)
    records, failures = produce_all(job, prepared, report)  # no failure loses what has been proven
    if not records:
        raise failures[0]
    manifest = describe_all(job, prepared, records)
    report("writing golden vectors")
    try:
        manifest = replace(manifest, golden=write_golden(manifest, job))
    except (Exception, KeyboardInterrupt) as error:  # as above
        failures.append(error)
    write_manifest(manifest, job.folder)
    if failures:
        raise failures[0]
    return Conversion(folder=job.folder, manifest=manifest)


def gather(request: ConvertRequest, targets: tuple[Target, ...], report: Report) -> Job:
    """Loads the model, recovers its variation where one is asked for, and chooses images."""
    report("loading weights")
    reference = requested_reference(request)
    check_channels(request, reference.spec)
    check_model(request, reference)
    check_weights(Path(request.out), asked_model(request, reference))
    report("opening images")
    reference, source = open_images(reference, None if request.calib is None else Path(request.calib))
    check_class_output(request, targets, reference.spec, reference.labels)
    if request.variation is not None:
        steps, folder = request.recovery_steps, Path(request.out)
        varied = replace(reference, spec=varied_spec(reference, request.variation))
        check_recovery(folder, described(reference), request.to_json(), written_names(varied, request, targets))
        reference = recover(reference, request.variation, source, folder, steps=steps, seed=request.seed, report=report)
    judges = None if request.max_drop is None else MAX_DROP_IMAGES
    calibration, held_out = choose_images(reference, source, request.seed, judges, report)
    check_input(Path(request.out), described(reference), written_names(reference, request, targets))
    return Job(request=request, targets=targets, reference=reference, calibration=calibration, held_out=held_out)


def requested_reference(request: ConvertRequest) -> Reference:
    """The reference that a request names, of the first size where it names several. Its labels are those that the request names."""
    reference = load_reference(
        request.model if request.module is None else request.module,
        weights=request.weights,
        size=request.sizes[0] if request.sizes else request.size,
        num_classes=request.num_classes,
        seed=request.seed,
        preprocess=options_of(request),
    )
    return with_labels(with_task(reference, request.task), None if request.labels is None else Path(request.labels))


def prepare_all(job: Job, report: Report) -> Prepared:
    """Rewrites, exports and quantizes the model, at every size that is asked for."""
    request = job.request
    asked = Preparation(
        reference=job.reference,
        calibration=job.calibration,
        held_out=job.held_out,
        precision=request.precision,
        targets=[target for target in job.targets if not isinstance(target, Compiler)],
        max_drop=request.max_drop,
        float_io=request.float_io,
        cache=request.cache,
        observer=request.observer,
    )
    usual = prepare(asked, report)
    further = prepare_sizes(request.sizes[1:], asked, report, first=next(iter(usual.values())))
    return Prepared(usual=usual, further=further)


def produce_all(job: Job, prepared: Prepared, report: Report) -> tuple[list[ArtefactRecord], list[BaseException]]:
    """One artefact per target, and what went wrong with the others; Ctrl-C ends it. What is compiled has the form of what it is made of,
    which has been written before.
    """
    records: list[ArtefactRecord] = []
    failures: list[BaseException] = []
    request = job.request
    for target in job.targets:
        lowerable = lowered_by(made_from(target, job.targets), request.precision, prepared.usual)
        forms = [Form(lowerable=lowerable, reference=job.reference, held_out=job.held_out)]
        forms += prepared.further if target.several_sizes else ()
        further = [Function(program=one.lowerable.program, islands=one.lowerable.islands) for one in forms[1:]]
        target = with_interface(target, request, job.held_out.preprocess, lowerable.islands, further)
        try:
            records.append(produce(target, forms, request, report, portable_for(target, records)))
        except KeyboardInterrupt as interruption:
            failures.append(interruption)
            break
        except Exception as error:  # whatever it is, what has been proven before stays and is listed
            failures.append(error)
    return records, failures


def made_from(target: Target, targets: Sequence[Target]) -> Target:
    """The target of the files that those of `target` are compiled from, which is one of `targets`; else `target` itself."""
    if not isinstance(target, Compiler):
        return target
    return next(other for other in targets if other.name == target.made_from)


def portable_for(target: Target, records: Sequence[ArtefactRecord]) -> Path | None:
    """The written file that `target` compiles its own from; None where it does not, and where there is none."""
    if not isinstance(target, Compiler):
        return None
    written = (record.artefact for record in records if record.artefact.format == target.made_from)
    return next((artefact.path for artefact in written), None)


def describe_all(job: Job, prepared: Prepared, records: Sequence[ArtefactRecord]) -> Manifest:
    """The manifest without the golden vectors; its plan is written."""
    first, request = prepared.first, job.request
    plan = None if first.plan is None else write_plan(first.plan, request.precision, job.folder)
    artefacts = [artefact_entry(record, job.folder, plan, first.protection) for record in records]
    calibration = calibration_entry(request, job.reference, job.calibration, job.held_out, first.stages[0][1])
    audits = (lowerable.audit for lowerable in prepared.usual.values() if lowerable.audit is not None)
    return compose(request, job.reference, calibration, next(audits, None), artefacts)


def choose_images(
    reference: Reference,
    source: ImageDataset | None,
    seed: int,
    judges: int | None = None,
    report: Report = silent,
) -> tuple[Images, Images]:
    """Images to calibrate with and up to `judges` images to judge with, None for as many as its task needs; never the same ones."""
    preprocess = reference.preprocessing.preprocess
    task = reference.spec.task
    calibration = calibration_images(source, preprocess, seed, CALIBRATION_IMAGES[task], report=report)
    calibration.first(1)  # what is wrong with all of them is better said now
    count = MIN_IMAGES[task] if judges is None else judges
    learned = reference.learned
    return calibration, held_out_images(source, calibration, preprocess, seed, count, learned, report=report)


def produce(
    target: Target, forms: Sequence[Form], request: ConvertRequest, report: Report, portable: Path | None = None
) -> ArtefactRecord:
    """Writes, reopens and judges one artefact, at every size it has; the first form is that of its usual size. It is compiled from the file
    at `portable`, where there is one. It gets its name when it has been judged, so that no file is left that no manifest lists.
    """
    path = Path(request.out) / artefact_name(forms[0].reference, request.precision, target)
    with atomic_path(path) as temporary:
        record = made(target, forms, request, temporary, report, portable)
    return replace(record, artefact=replace(record.artefact, path=path))


def written_names(reference: Reference, request: ConvertRequest, targets: Sequence[Target]) -> list[str]:
    return [artefact_name(reference, request.precision, target) for target in targets]


def artefact_name(reference: Reference, precision: Precision, target: Target) -> str:
    return f"{reference.spec.title}.{precision}{target.suffix}"


def made(
    target: Target, forms: Sequence[Form], request: ConvertRequest, path: Path, report: Report, portable: Path | None
) -> ArtefactRecord:
    """Writes one artefact to `path`, and what running it showed."""
    precision = request.precision
    lowerable, reference, held_out = forms[0].lowerable, forms[0].reference, forms[0].held_out
    report(f"writing {path.name}")
    started = time.perf_counter()
    artefact = write(target, forms[0], precision, path, portable)
    seconds = time.perf_counter() - started
    report(f"validating {path.name}")
    terms = Terms(
        precision=precision,
        task=reference.spec.task,
        recovery=reference.recovery,
        max_drop=request.max_drop,
        allow_few=request.allow_few,
        probabilities=gives_probabilities(spec.name for spec in artefact.outputs),
    )
    standards = [
        Standard(reference=form.reference, held_out=form.held_out, stages=form.lowerable.stages) for form in forms
    ]
    written = Written(path=path, format=artefact.format)
    judged = {name: proved(judge, written, standards, terms) for name, judge in judges_for(target, request.on).items()}
    validations = tuple(replace(validation, on=name) for name, (validation, _) in judged.items())
    _, sizes = next(iter(judged.values()))
    speed = None
    if precision in (Precision.INT8, Precision.INT8_WEIGHTS):
        speed = against_fp32(target, path, lowerable.plain, fed(target, held_out.first(1)), report)
    return ArtefactRecord(
        artefact=artefact,
        delegation=target.inspect(path).delegation,
        npu=compiled_for_npu(target, path) if precision is Precision.INT8_FULL else (),
        validations=validations,
        sizes=sizes,
        speed=speed,
        convert_s=seconds,
    )


def write(target: Target, form: Form, precision: Precision, path: Path, portable: Path | None) -> Artefact:
    """Writes the file: compiled from the one at `portable`, where there is one, else lowered."""
    if portable is not None and isinstance(target, Compiler):
        return target.compile(portable, precision, path)
    return target.lower(form.lowerable.program, precision, path, describe(form.reference, precision))


def write_golden(manifest: Manifest, job: Job) -> GoldenEntry | None:
    """Writes the golden vectors of the manifest's artefacts; None, and no earlier ones left, where none are wanted or apply."""
    reference, count = job.reference, job.request.golden
    if count == 0 or reference.spec.task is not Task.CLASSIFICATION:
        golden_vectors.remove_golden(job.folder)
        return None
    labels = known_labels(reference, job.held_out) if reference.spec.num_classes > 1 else None
    digest = golden_vectors.write_golden(
        manifest, job.folder, job.held_out, labels, count, lambda images: run_module(reference.module, [images])
    )
    return GoldenEntry(path=golden_vectors.PATH, sha256=digest)


def describe(reference: Reference, precision: Precision) -> Metadata:
    """What the file says about itself. Of weights in a file it has the name alone: folders of this machine are nobody's business, and the
    same weights elsewhere give the same bytes.
    """
    source = reference.source if "://" in reference.source else PurePath(reference.source).name
    return Metadata(
        description=f"{reference.spec.title}, {precision}, weights: {reference.weights} ({source})",
        version=__version__,
        labels=manifest_labels(reference)[0],
        preprocessing=reference.preprocessing.preprocess.to_manifest(),
    )
