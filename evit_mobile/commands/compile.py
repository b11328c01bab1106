"""compile(): files for NPUs, made of written ones, judged and listed beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from converters.contract import Precision
from converters.errors import ArtefactError
from converters.files import atomic_path, sha256
from converters.qualcomm.socs import USUAL, Soc, find_socs
from converters.registry import COMPILED as FORMATS
from converters.registry import find_target, judges_of
from converters.traits import Compiler
from evit_mobile.commands.document import artefact_entry
from evit_mobile.commands.proving import Standard, Written, listed_terms, prove, standard_at
from evit_mobile.commands.recorded import judging_images, listed_artefacts, manifest_reference
from evit_mobile.errors import UsageError
from evit_mobile.findings import ArtefactRecord, Verdict
from evit_mobile.labels import manifest_classes, renamed
from evit_mobile.progress import Report, silent
from evit_mobile.record.files import write_manifest
from evit_mobile.record.manifest import ArtefactEntry, Manifest
from evit_mobile.request.checks import usable_target

COMPILED = (Precision.INT8, Precision.INT8_FULL, Precision.A16W8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compilation:
    """What `compile` leaves behind: `manifest` is that of the folder, with the files at `paths` listed."""

    folder: Path
    manifest: Manifest
    paths: tuple[str, ...]

    @property
    def proven(self) -> bool:
        """Whether every compiled file passed its validation."""
        entries = [entry for entry in self.manifest.artefacts if entry.path in self.paths]
        return all(entry.validation.verdict is Verdict.PASSED for entry in entries)


def compile(
    path: Path | str,
    *,
    socs: Sequence[str] = USUAL,
    images: Path | None = None,
    weights: str | None = None,
    model: nn.Module | None = None,
    allow_few: bool = False,
    report: Report = silent,
) -> Compilation:
    """Compiles an int8 artefact for LiteRT or ONNX Runtime, or all such of a folder, for each of `socs`, has the emulator of each run
    the result, and lists it in the manifest. The other options are as in `validate`.

    Raises UnknownSocError, ToolchainError where the compiler is missing or does not take the file, UsageError where nothing in the
    folder can be compiled, ArtefactError for a file that is not the one that was written.
    """
    chosen = find_socs(socs)
    folder, manifest, entries = listed_artefacts(Path(path))
    portable = [entry for entry in entries if is_compiled(entry)]
    check_compiled(folder, portable or entries)
    for name in dict.fromkeys(entry.format for entry in portable):
        for soc in chosen:
            usable_target(soc.format_of(name), Precision.INT8)
    report("loading weights")
    reference = renamed(manifest_reference(folder, manifest, weights, model), manifest_classes(manifest, None))
    reference, held_out = judging_images(reference, manifest, images)
    report("running the reference")
    standard = standard_at(reference, held_out, reference.spec.size)
    written = []
    for entry in portable:
        for soc in chosen:
            record = compiled_for(soc, folder, entry, standard, report, allow_few=allow_few)
            written.append(artefact_entry(record, folder, entry.plan, entry.protection))
            manifest = with_entry(manifest, written[-1])
            write_manifest(manifest, folder)  # at once: what comes after may fail
    return Compilation(folder=folder, manifest=manifest, paths=tuple(entry.path for entry in written))


def is_compiled(entry: ArtefactEntry) -> bool:
    """Whether there is a compiler for such a file."""
    return entry.format in FORMATS and entry.precision in COMPILED and entry.inputs[0].dtype != "uint8"


def check_compiled(folder: Path, entries: Sequence[ArtefactEntry]) -> None:
    """Raises UsageError for what is not compiled for NPUs, ArtefactError for a file that is not the one that was written."""
    for entry in entries:
        if not is_compiled(entry):
            takes = entry.inputs[0].dtype
            raise UsageError(
                got=f"{entry.path} ({entry.format}, {entry.precision}, takes {takes})",
                allowed=f"a file of {' or '.join(FORMATS)} in {' or '.join(COMPILED)} that takes a tensor",
                do="convert with --format tflite --int8, without --image-input",
            )
        if not (folder / entry.path).exists() or sha256(folder / entry.path) != entry.sha256:
            raise ArtefactError(
                got=f"{folder / entry.path}, which is missing or not the file that was written",
                allowed="the file that the manifest lists, by its sha256",
                do="convert again",
            )


def compiled_for(
    soc: Soc, folder: Path, entry: ArtefactEntry, standard: Standard, report: Report, *, allow_few: bool
) -> ArtefactRecord:
    """Writes the file of one SoC, and what its emulator showed."""
    target = find_target(soc.format_of(entry.format))
    assert isinstance(target, Compiler)
    path = (folder / entry.path).with_suffix(target.suffix)
    with atomic_path(path) as temporary:
        report(f"compiling {path.name}")
        started = time.perf_counter()
        artefact = target.compile(folder / entry.path, entry.precision, temporary)
        seconds = time.perf_counter() - started
        report(f"validating {path.name}")
        terms = listed_terms(entry, standard.reference, allow_few=allow_few)
        validation = prove(target, Written(path=temporary, format=target.name), standard, terms)
        delegation = target.inspect(temporary).delegation
    (judge,) = judges_of(target.name)
    validation = replace(validation, on=judge)
    return ArtefactRecord(
        artefact=replace(artefact, path=path),
        delegation=delegation,
        validations=(validation,),
        convert_s=seconds,
    )


def with_entry(manifest: Manifest, entry: ArtefactEntry) -> Manifest:
    """`manifest` with the entry in place of that of the same file, or behind the others."""
    others = [other for other in manifest.artefacts if other.path != entry.path]
    return replace(manifest, artefacts=(*others, entry))
