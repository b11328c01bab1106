"""evaluate(): accuracy of an artefact on labelled images, whole or in pieces that other processes count and that are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from calib.errors import DataError
from converters.errors import ConverterError
from converters.files import write_bytes
from evit_mobile.commands.counting import Count, Source, counted, judge_of, labelled_source, payload_of
from evit_mobile.commands.recorded import listed_artefacts
from evit_mobile.engines.choice import chosen_engine
from evit_mobile.engines.jobs import Job
from evit_mobile.engines.process import in_child
from evit_mobile.errors import UsageError
from evit_mobile.images.contradiction import contradicted
from evit_mobile.labels import guess_warning
from evit_mobile.progress import Report, silent
from evit_mobile.strict_json import to_json
from evit_mobile.validation.oldest import require_runtimes
from evit_mobile.validation.tally import Tally, share_interval
from evit_mobile.version import __version__

PIECE = "evit_mobile.commands.counting:count_piece"
PIECE_BYTES = 1_500_000_000
"""The most that the process of a piece is expected to take."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Accuracy of an artefact on labelled images, in percent, each with a 95 % interval. `recall` is by class, None for one without images.
    `unanswered` images have a NaN among their outputs, which names no class; they count as wrong.

    `calibration_error` is the expected calibration error of its confidence, in percent. Where the fp32 reference was asked for, there
    are its top-1, the share of images on which both name the same class, and how many points of top-1 the artefact loses. `notes` say
    what was decided about the images.
    """

    path: Path
    runtime: str
    source: str
    images: int
    top1: float
    top5: float
    reference_top1: float | None
    notes: tuple[str, ...] = ()
    top1_interval: Interval
    top5_interval: Interval
    calibration_error: float
    calibration_error_interval: Interval
    recall: tuple[float | None, ...]
    classes: tuple[str, ...]
    unanswered: int = 0
    agreement: float | None = None
    agreement_interval: Interval | None = None
    drop: float | None = None
    drop_interval: Interval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """How images are shared out: in how many pieces, how many at once or on which Ray cluster, and the folder that keeps those counted."""

    shards: int = 1
    workers: int | None = None
    ray: str | None = None
    keep: Path | None = None


def evaluate(
    path: Path | str,
    *,
    images: Path | str | None = None,
    labels: Path | str | None = None,
    limit: int | None = None,
    with_reference: bool = False,
    on: str | None = None,
    pieces: Pieces | None = None,
    report: Report = silent,
) -> Evaluation:
    """Top-1, top-5, recall and calibration of an artefact on labelled images: `images`, or those its manifest names that did not calibrate.

    `images` may be WebDataset tars or Parquet files by path or URL as well, which are read as they come. `labels` is a file with the
    names of the classes, in place of the manifest's; `on` a judge in place of the usual runtime. With `pieces` the images are counted in
    as many processes; those in its folder `keep` are not counted again. Raises ArtefactError, ToolchainError, UsageError for a model
    that is no classifier, and DataError when the images carry no labels.
    """
    path, pieces = Path(path), pieces or Pieces()
    count = Count(
        path=str(path), images=text(images), labels=text(labels), limit=limit, on=on, with_reference=with_reference
    )
    judge = judge_of(count)
    _, manifest, entries = listed_artefacts(path)
    require_runtimes(entries)
    source = labelled_source(count, manifest)
    check_limit(source, limit, pieces)
    report(f"evaluating {path.name} on {source.size or 'the'} images")
    found = [
        tally for tally in tallies(count, f"{entries[0].sha256} {source.identity}", pieces, report) if tally is not None
    ]
    if not found:
        raise DataError(got=f"{source.name} with no images", allowed="at least one", do="correct the source")
    total = sum(found[1:], found[0])
    contradiction = contradicted(total.confusion) if source.classes.guessed else None
    notes = (*source.notes, *([] if contradiction is None else [guess_warning(source.classes, contradiction)]))
    return evaluation(path, judge.runtime, source.name, total, notes, source.classes.names)


def text(path: Path | str | None) -> str | None:
    return None if path is None else str(path)


def check_limit(source: Source, limit: int | None, pieces: Pieces) -> None:
    """Raises UsageError for a limit of images that several pieces read as they come: none knows which are the first."""
    if limit is not None and source.size is None and pieces.shards > 1:
        raise UsageError(
            got=f"--limit {limit} with --shards for images that are read as they come",
            allowed="one of them",
            do="leave --limit or --shards out",
        )


def evaluation(
    path: Path, runtime: str, source: str, tally: Tally, notes: tuple[str, ...], classes: tuple[str, ...]
) -> Evaluation:
    """What the counts say."""
    images, hits = tally.images, tally.hits
    error, low, high = tally.calibration_error()
    drop, agreed = tally.drop(), tally.agreed
    theirs = None if tally.lost is None or tally.gained is None else hits + tally.lost - tally.gained
    return Evaluation(
        path=path,
        runtime=runtime,
        source=source,
        images=images,
        top1=100 * hits / images,
        top1_interval=share_interval(hits, images),
        top5=100 * tally.top5 / images,
        top5_interval=share_interval(tally.top5, images),
        calibration_error=100 * error,
        calibration_error_interval=(100 * low, 100 * high),
        recall=tuple(None if one is None else 100 * one for one in tally.recall()),
        classes=classes,
        unanswered=int(tally.unanswered.sum()),
        reference_top1=None if theirs is None else 100 * theirs / images,
        agreement=None if agreed is None else 100 * agreed / images,
        agreement_interval=None if agreed is None else share_interval(agreed, images),
        drop=None if drop is None else drop[0],
        drop_interval=None if drop is None else drop[1:],
        notes=notes,
    )


def tallies(count: Count, identity: str, pieces: Pieces, report: Report) -> Iterator[Tally | None]:
    """The counts of every piece, those first that are kept already. Raises what a piece fails with."""
    folder = None if pieces.keep is None else pieces.keep / key_of(count, identity, pieces.shards)
    left = []
    for piece in range(pieces.shards):
        file = None if folder is None else folder / f"{piece}.json"
        if file is not None and file.exists():
            yield read_tally(json.loads(file.read_bytes()))
        else:
            left.append(piece)
    if folder is not None and len(left) < pieces.shards:
        report(f"{pieces.shards - len(left)} of {pieces.shards} pieces were counted before")
    if pieces.shards == 1 and pieces.ray is None:
        for piece in left:
            yield kept(folder, piece, counted(count, piece, 1, report))
        return
    jobs = [
        Job(name=str(piece), function=PIECE, payload=payload_of(count, piece, pieces.shards), memory_bytes=PIECE_BYTES)
        for piece in left
    ]
    engine = chosen_engine(pieces.workers, None, pieces.ray, report)
    with closing(engine.run(in_child, jobs, report)) as running:
        for job, outcome in running:
            if outcome.result is None:
                raise PieceError.of(job.name, outcome.reason, outcome.exit_code)
            report(f"piece {job.name} of {pieces.shards} is counted")
            yield kept(folder, int(job.name), read_tally(outcome.result))


class PieceError(ConverterError):
    """A piece that could not be counted, with the exit code of what it failed with."""

    @classmethod
    def of(cls, piece: str, reason: str, exit_code: int) -> PieceError:
        error = cls(
            got=f"piece {piece}, which was not counted ({reason})",
            allowed="pieces that are counted to the end; with --resume the others are kept",
            do="mend what it names, and evaluate again",
        )
        error.exit_code = exit_code
        return error


def read_tally(document: dict[str, object]) -> Tally | None:
    found = document["tally"]
    return Tally.from_json(found) if isinstance(found, dict) else None


def kept(folder: Path | None, piece: int, tally: Tally | None) -> Tally | None:
    """The tally, written into the folder of its evaluation."""
    if folder is not None:
        document = {"tally": None if tally is None else tally.to_json()}
        write_bytes(folder / f"{piece}.json", to_json(document).encode())
    return tally


def key_of(count: Count, identity: str, shards: int) -> str:
    """Of an evaluation: pieces of another file, other images, other options or another version are not mixed with its own."""
    document = {**asdict(count), "path": identity, "shards": shards, "version": __version__}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:20]
