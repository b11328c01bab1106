"""convert(): from a trained model to proven artefacts, as a page of named steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

import evit_mobile
from calib.preprocess import Preprocess
from converters.contract import Artefact, Layout, Metadata, Precision, QuantPlan, Target
from converters.errors import ConverterError
from converters.quantized_program import quantize_program
from converters.registry import TARGETS, find_installed_target
from evit_mobile.data import Images, calibration_images, held_out_images, preprocess_for
from evit_mobile.errors import UsageError
from evit_mobile.manifest import (
    FILE_NAME,
    SCHEMA,
    ArtefactRecord,
    artefact_entry,
    plan_entry,
    read_manifest,
    write_manifest,
)
from evit_mobile.models.complexity import count_macs, count_parameters
from evit_mobile.quantization import make_plan
from evit_mobile.reference import Reference, load_reference
from evit_mobile.rewrites import rewrite
from evit_mobile.spec import ModelSpec
from evit_mobile.validation.metrics import Logits
from evit_mobile.validation.verdict import Validation, Verdict, judge

PROBE_IMAGES = 4

Report = Callable[[str], None]
"""Takes one line about what is being done, for people; never part of the result."""


def silent(_message: str) -> None:
    """The Report that says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What `convert` leaves behind. `manifest` is the content of manifest.json in `folder`."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def proven(self) -> bool:
        """Whether every artefact of the manifest passed its validation."""
        return all(entry["validation"]["verdict"] == Verdict.PASSED for entry in self.manifest["artefacts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowerable:
    """The program that the targets lower, and the logits of every stage before them on the held-out images."""

    program: ExportedProgram
    plan: QuantPlan | None
    stages: tuple[tuple[str, Logits], ...]


def convert(
    model: str | ModelSpec | nn.Module | None = None,
    *,
    formats: Sequence[str] = tuple(TARGETS),
    precision: Precision | str = Precision.INT8,
    weights: str | Path | None = None,
    size: tuple[int, int] | None = None,
    num_classes: int | None = None,
    calib: Path | str | None = None,
    out: Path | str = "out",
    seed: int = 0,
    report: Report = silent,
) -> Conversion:
    """Writes one artefact per format into `out`, each validated by running the written file, and a manifest.

    `model` is a variant's name, a ModelSpec, a live module of timm's, MIT's or Microsoft's class, or None for the bundled
    efficientvit_m0. `weights` is a file, "bundled", "hub", "hf://..." or "random". `calib` is a folder or file of images;
    half of its images calibrate, the others judge. Raises the errors of `evit_mobile.errors`, calib and converters; a failed
    validation is not an error but a verdict in the manifest.
    """
    precision, folder = Precision(precision), Path(out)
    targets = [usable_target(name, precision) for name in dict.fromkeys(formats)]
    prepare_folder(folder)
    report("loading weights")
    reference = load_reference(model, weights=weights, size=size, num_classes=num_classes, seed=seed)
    calibration, held_out = choose_images(reference, None if calib is None else Path(calib), precision, seed)
    lowerable = prepare(reference, calibration, held_out, precision, report)
    records, failures = [], []
    for target in targets:
        try:
            records.append(produce(target, lowerable, reference, held_out, precision, folder, report))
        except ConverterError as error:
            failures.append(error)
    document = compose(reference, calibration, held_out, lowerable.plan, records, folder, seed)
    write_manifest(document, folder)
    if failures:
        raise failures[0]
    return Conversion(folder=folder, manifest=document)


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

    Raises UsageError when it cannot be written to, ArtefactError when a manifest is there that cannot be added to.
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


def choose_images(reference: Reference, source: Path | None, precision: Precision, seed: int) -> tuple[Images, Images]:
    """Images to calibrate with and images to judge with; never the same ones.

    Raises UsageError for int8 of a user's own weights without `source`: other people's images give wrong ranges.
    """
    own = reference.weights not in ("bundled", "random")
    if source is None and own and precision is Precision.INT8:
        raise UsageError(
            got="int8 for your own weights without calibration images",
            allowed="a folder or file with images of the kind the model was trained on (100 to 1000 are enough)",
            do="pass --calib DIR",
        )
    preprocess = preprocess_for(reference.spec, bundled=source is None)
    calibration = calibration_images(source, preprocess, seed)
    return calibration, held_out_images(source, calibration, preprocess, seed)


def prepare(
    reference: Reference, calibration: Images, held_out: Images, precision: Precision, report: Report
) -> Lowerable:
    """Rewrites, exports and, for int8, quantizes; runs every stage on the held-out images."""
    int8 = precision is Precision.INT8
    report("rewriting")
    rewritten, _ = rewrite(reference.module, torch.from_numpy(calibration.first(PROBE_IMAGES)), int8=int8)
    report("exporting")
    program = export(rewritten, reference.spec.size)
    report("running the reference")
    stages = [
        ("reference", run_module(reference.module, held_out.batches())),
        ("rewritten", run_module(rewritten, held_out.batches())),
    ]
    plan = None
    if int8:
        report(f"calibrating on {len(calibration)} images")
        plan = make_plan(program, (torch.from_numpy(batch) for batch in calibration.batches(1)))
        program = quantize_program(program, plan)
        report("running the quantized program")
        stages.append(("quantized", run_module(program.module(check_guards=False), held_out.batches(1))))
    return Lowerable(program=program, plan=plan, stages=tuple(stages))


def export(module: nn.Module, size: tuple[int, int]) -> ExportedProgram:
    """`module` as an exported program for one image (1, 3, H, W)."""
    with torch.no_grad():
        return torch.export.export(module, (torch.zeros(1, 3, *size),))


def run_module(module: nn.Module, batches: Iterable[np.ndarray]) -> Logits:
    """Logits (images, classes) of a module over batches of images (B, 3, H, W)."""
    with torch.no_grad():
        return np.concatenate([module(torch.from_numpy(batch)).numpy() for batch in batches])


def produce(
    target: Target,
    lowerable: Lowerable,
    reference: Reference,
    held_out: Images,
    precision: Precision,
    folder: Path,
    report: Report,
) -> ArtefactRecord:
    """Writes, reopens and judges one artefact."""
    path = folder / f"{reference.spec.name}.{precision}{target.suffix}"
    report(f"writing {path.name}")
    started = time.perf_counter()
    artefact = target.lower(lowerable.program, precision, path, describe(reference, precision))
    seconds = time.perf_counter() - started
    report(f"validating {path.name}")
    labels = held_out.labels(reference.spec.num_classes) if task_matches(reference.weights, held_out) else None
    validation = prove(target, artefact, lowerable.stages, held_out, labels)
    return ArtefactRecord(
        artefact=artefact, delegation=target.inspect(path).delegation, validation=validation, convert_s=seconds
    )


def task_matches(weights: str, images: Images) -> bool:
    """Whether the images' labels are the model's classes: always of a user's images, of the bundled ones only for bundled weights."""
    own_images = not images.dataset.source.startswith("bundled:")
    return weights == "bundled" or (own_images and weights != "random")


def describe(reference: Reference, precision: Precision) -> Metadata:
    """What the file says about itself."""
    return Metadata(
        description=f"{reference.spec.name}, {precision}, weights: {reference.weights} ({reference.source})",
        version=evit_mobile.__version__,
        labels=reference.labels,
    )


def prove(
    target: Target,
    artefact: Artefact,
    stages: Sequence[tuple[str, Logits]],
    held_out: Images,
    labels: NDArray[np.int64] | None,
) -> Validation:
    """Runs the written file on the held-out images and judges it against every stage before it.

    `labels` (images,) are their classes, None where accuracy means nothing: no labels, or random weights.
    """
    logits = run_artefact(target, artefact.path, held_out)
    return judge([*stages, (artefact.format, logits)], labels, artefact.precision, target.runtime)


def run_artefact(target: Target, path: Path, images: Images) -> Logits:
    """Logits (images, classes) of a written artefact. Raises ArtefactError, ToolchainError."""
    runner = target.load(path)
    return np.concatenate([runner(batch) for batch in images.batches()])


def compose(
    reference: Reference,
    calibration: Images,
    held_out: Images,
    plan: QuantPlan | None,
    records: Sequence[ArtefactRecord],
    folder: Path,
    seed: int,
) -> dict[str, Any]:
    """The manifest's content. Artefacts that an earlier run wrote into the same folder for the same model stay listed."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "model": model_entry(reference),
        "input": input_entry(reference.spec, held_out.preprocess),
        "labels": list(class_names(reference, held_out)),
        "artefacts": [artefact_entry(record, folder) for record in records],
        "quant_plan": plan_entry(plan),
        "calibration": {
            "digest": calibration.digest,
            "images": len(calibration) if plan is not None else 0,
            "source": calibration.dataset.source,
            "seed": seed,
        },
        "tool": {"version": evit_mobile.__version__},
    }
    return with_earlier(document, folder)


def class_names(reference: Reference, held_out: Images) -> tuple[str, ...]:
    """Names of the classes: the checkpoint's, or those of the user's images when there are as many as the model has."""
    names = reference.labels or (held_out.dataset.class_names if task_matches(reference.weights, held_out) else None)
    return names if names and len(names) == reference.spec.num_classes else ()


def with_earlier(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`document` with the entries of the folder's present manifest that it does not replace, if it is the same model."""
    if not (folder / FILE_NAME).exists():
        return document
    earlier = read_manifest(folder)
    if (earlier["model"], earlier["input"]) != (document["model"], document["input"]):
        return document
    written = {entry["path"] for entry in document["artefacts"]}
    kept = [entry for entry in earlier["artefacts"] if entry["path"] not in written]
    merged = {**document, "artefacts": kept + document["artefacts"]}
    if document["quant_plan"] is None:
        merged |= {key: earlier[key] for key in ("quant_plan", "calibration")}
    return merged


def model_entry(reference: Reference) -> dict[str, Any]:
    """The manifest's "model"."""
    spec = reference.spec
    return {
        "name": spec.name,
        "family": spec.family,
        "params": count_parameters(spec),
        "macs": count_macs(spec),
        "num_classes": spec.num_classes,
        "weights": reference.weights,
        "weights_sha256": reference.sha256,
        "source": reference.source,
        "origin": reference.origin,
        "keys": reference.keys,
    }


def input_entry(spec: ModelSpec, preprocess: Preprocess) -> dict[str, Any]:
    """The manifest's "input": the image tensor as PyTorch takes it. Each artefact's own entry says its layout."""
    height, width = spec.size
    return {
        "name": "image",
        "shape": [1, 3, height, width],
        "layout": Layout.NCHW,
        "dtype": "float32",
        **preprocess.to_manifest(),
    }
