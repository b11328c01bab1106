"""validate(): artefacts that are already on disk, judged again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
from converters.files import sha256
from converters.registry import find_target
from evit_mobile.commands.proving import Standard, Written, listed_terms, proved, standard_at
from evit_mobile.commands.recorded import (
    given_path,
    judging_images,
    listed_artefacts,
    manifest_reference,
)
from evit_mobile.findings import SizeValidation, Validation, Verdict, failed, verdict_of_all
from evit_mobile.labels import (
    image_notes,
    manifest_classes,
    renamed,
)
from evit_mobile.prepare.preparation import run_module
from evit_mobile.progress import Report, silent
from evit_mobile.record.manifest import ArtefactEntry, Manifest
from evit_mobile.reference import Reference, Size
from evit_mobile.request.checks import check_judges
from evit_mobile.validation.golden import find_faults, read_golden
from evit_mobile.validation.judges import judges_for
from evit_mobile.validation.oldest import require_runtimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Revalidation:
    """One artefact, judged again."""

    path: Path
    format: str
    precision: Precision
    validations: tuple[Validation, ...]
    sizes: tuple[SizeValidation, ...] = ()

    @property
    def validation(self) -> Validation:
        """What the first judge found, with the verdict of all."""
        return verdict_of_all(self.validations)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCheck:
    """What became of the golden vectors, judged again."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderValidation:
    """Artefacts judged again, and the golden vectors beside them where the manifest names some. `notes` say what was decided while
    the reference's weights were loaded, `image_notes` what about the images.
    """

    artefacts: tuple[Revalidation, ...]
    golden: GoldenCheck | None
    notes: tuple[str, ...] = ()
    image_notes: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        passed = all(result.validation.verdict is Verdict.PASSED for result in self.artefacts)
        return passed and (self.golden is None or self.golden.verdict is Verdict.PASSED)


def validate(
    path: Path | str,
    *,
    images: Path | str | None = None,
    labels: Path | str | None = None,
    weights: str | None = None,
    model: nn.Module | None = None,
    on: Sequence[str] = (),
    allow_few: bool = False,
    report: Report = silent,
) -> FolderValidation:
    """Judges an artefact, or every artefact of a folder, again: the bytes on disk against the manifest and the reference; and the
    golden vectors beside them. `labels` is a file with the names of the classes, in place of the manifest's; `model` is the live
    module that was converted, which no file holds. `on` and `allow_few` are as in `ConvertRequest`.

    Raises ArtefactError when there is no manifest or no such artefact in it, UsageError when the reference's weights
    cannot be found or a runtime is too old, DataError when the images cannot.
    """
    folder, manifest, entries = listed_artefacts(Path(path))
    check_judges(on, list(dict.fromkeys(entry.format for entry in entries)))
    require_runtimes(entries)
    report("loading weights")
    reference = manifest_reference(folder, manifest, weights, model)
    reference = renamed(reference, manifest_classes(manifest, given_path(labels)))
    reference, held_out = judging_images(reference, manifest, given_path(images))
    results = []
    forms: dict[Size, Standard] = {}

    def standards(sizes: Sequence[Size]) -> list[Standard]:
        """Those for `sizes`, made once."""
        for size in sizes:
            if size not in forms:
                report(f"running the reference at {size[0]}x{size[1]}")
                forms[size] = standard_at(reference, held_out, size)
        return [forms[size] for size in sizes]

    for entry in entries:
        sizes = [one.size for one in entry.sizes] or [reference.spec.size]
        chosen = standards(sizes)
        report(f"validating {entry.path}")
        results.append(judge_again(folder, entry, chosen, on, allow_few=allow_few))
    usable = [result.path.name for result in results if result.validation.images]
    golden = check_golden(folder, manifest, usable, reference)
    notes = image_notes(reference, held_out, next(iter(forms.values())).stages[0][1])
    return FolderValidation(artefacts=tuple(results), golden=golden, notes=reference.notes, image_notes=notes)


def check_golden(folder: Path, manifest: Manifest, names: Sequence[str], reference: Reference) -> GoldenCheck | None:
    """Judges the golden vectors of a folder, with the logits of the artefacts called `names`; None where there are none."""
    count, faults = 0, []
    try:
        golden = read_golden(manifest, folder)
        if golden is None:
            return None
        count = len(golden.tensors)
        faults = find_faults(golden, manifest, names, lambda images: run_module(reference.module, [images]))
    except (ArtefactError, ToolchainError) as error:
        faults = [str(error)]
    if faults:
        return GoldenCheck(verdict=Verdict.FAILED, reason="; ".join(faults))
    return GoldenCheck(verdict=Verdict.PASSED, reason=f"{count} images, {len(names)} artefacts")


def judge_again(
    folder: Path, entry: ArtefactEntry, standards: Sequence[Standard], on: Sequence[str], *, allow_few: bool
) -> Revalidation:
    """Has one listed artefact run by its judges at every size that it has. One that is not what was written fails unseen."""
    path = folder / entry.path
    fault = None
    if not path.exists():
        fault = "the file is missing"
    elif sha256(path) != entry.sha256:
        fault = "the file is not the one that was written: its sha256 differs"
    written = Written(path=path, format=entry.format)
    terms = listed_terms(entry, standards[0].reference, allow_few=allow_few)
    judged = {
        name: proved(judge, written, standards, terms) if fault is None else (failed(judge.runtime, fault), ())
        for name, judge in judges_for(find_target(entry.format), on).items()
    }
    validations = tuple(replace(validation, on=name) for name, (validation, _) in judged.items())
    _, sizes = next(iter(judged.values()))
    return Revalidation(
        path=path,
        format=entry.format,
        precision=entry.precision,
        validations=validations,
        sizes=sizes,
    )
