"""per_operation(): which operation of a written file a judge computes otherwise than it should. It finds where an error comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.errors import ArtefactError
from converters.files import sha256
from converters.registry import FORMATS, ROWS, find_judge, judges_of
from converters.traits import ProgramStepJudge, StepDifference, StepJudge
from evit_mobile.commands.prepared_again import asked, prepared_again
from evit_mobile.commands.recorded import labelled_images, listed_artefacts
from evit_mobile.errors import UsageError
from evit_mobile.labels import manifest_classes
from evit_mobile.progress import Report, silent
from evit_mobile.record.manifest import ArtefactEntry, Manifest

MOST_QUANTA = 1
"""Two roundings of one number differ by no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCheck:
    """What running the operations of the file at `path` one by one on `on` showed, each on what was computed before it of one image: how
    many there are, and those that are more than one quantum off what `beside` computes, in order.
    """

    path: str
    on: str
    beside: str = "the CPU"
    operations: int
    off: tuple[StepDifference, ...]


def step_judges(path: Path, on: Sequence[str]) -> list[tuple[ArtefactEntry, str]]:
    """Artefacts at `path`, and those of the judges `on` that run their operations one by one. Raises UsageError where there is none,
    ArtefactError as `validate`, and as `asked`.
    """
    _, manifest, entries = listed_artefacts(path)
    pairs = [(entry, name) for entry in entries for name in judges_of(entry.format) if name in on]
    able = [pair for pair in pairs if isinstance(find_judge(pair[1], pair[0].format), StepJudge | ProgramStepJudge)]
    if not able:
        known = dict.fromkeys(name for row in FORMATS for name in row.judges if name.startswith("qualcomm:"))
        raise UsageError(
            got=f"--per-operation with {' '.join(f'--on {name}' for name in on) or 'no --on'}",
            allowed=f"it with --on coreai on an .aimodel, or with --on {', '.join(known)} on a .tflite or .onnx file of that SoC",
            do="name that judge, or leave --per-operation out",
        )
    for entry, name in able:
        if isinstance(find_judge(name, entry.format), ProgramStepJudge):
            asked(manifest, entry)
    return able


def per_operation(
    path: Path | str,
    on: Sequence[str],
    *,
    images: Path | None = None,
    weights: str | None = None,
    report: Report = silent,
) -> tuple[OperationCheck, ...]:
    """Runs the operations of an artefact, or of every one of a folder, one by one on those of the judges `on` that can, on the first
    image that did not calibrate. Raises as `step_judges` and `prepared_again`; ArtefactError where the file that an artefact was
    compiled from is not beside it as it was written; ToolchainError; DataError.
    """
    folder, manifest, _ = listed_artefacts(Path(path))
    able = step_judges(Path(path), on)
    found, _ = labelled_images(manifest, images, 1, manifest_classes(manifest, None))
    checks = []
    for entry, name in able:
        judge, image = find_judge(name, entry.format), found.first(1)
        if isinstance(judge, ProgramStepJudge):
            beside, function = "PyTorch", prepared_again(folder, manifest, entry, weights, report)
            report(f"running the operations of {entry.path} one by one")
            steps = judge.program_steps(folder / entry.path, function, image)
        else:
            assert isinstance(judge, StepJudge)
            report(f"running the operations of {entry.path} one by one")
            beside, steps = "the CPU", judge.steps(origin(folder, manifest, entry, judge.made_from), image)
        off = tuple(step for step in steps if step.quanta > MOST_QUANTA)
        checks.append(OperationCheck(path=entry.path, on=name, beside=beside, operations=len(steps), off=off))
    return tuple(checks)


def origin(folder: Path, manifest: Manifest, entry: ArtefactEntry, format: str) -> Path:
    """The file of `format` that the listed one was compiled from. Raises ArtefactError where it is missing or another."""
    name = entry.path.removesuffix(ROWS[entry.format].suffix) + ROWS[format].suffix
    listed = [other for other in manifest.artefacts if other.path == name]
    if not listed or not (folder / name).exists() or sha256(folder / name) != listed[0].sha256:
        raise ArtefactError(
            got=f"{folder / name}, which is missing or not the file that was written",
            allowed=f"the file that {entry.path} was compiled from, beside it",
            do="convert again",
        )
    return folder / name
