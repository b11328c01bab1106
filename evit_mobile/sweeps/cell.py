"""One cell: in a process of its own it is converted, then what it wrote and its record go where the sweep lies."""

from __future__ import annotations

import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evit_mobile.engines.jobs import Job, Outcome, Surroundings
from evit_mobile.engines.process import in_child
from evit_mobile.progress import Report
from evit_mobile.record.manifest import Manifest
from evit_mobile.request import ConvertRequest
from evit_mobile.strict_json import plain, to_json
from evit_mobile.sweeps.digest import Cell
from evit_mobile.sweeps.records import CellRecord, FailedCell, Row
from evit_mobile.sweeps.store import Store, open_store
from evit_mobile.version import __version__

FUNCTION = "evit_mobile.sweeps.cell:convert_cell"
LOG_NAME = "log.txt"


def job_of(cell: Cell, store: Store, driver: str, memory_bytes: int, function: str = FUNCTION) -> Job:
    """The job that makes a cell. `driver` is who claimed it."""
    evaluate = None if cell.evaluate is None else asdict(cell.evaluate)
    return Job(
        name=cell.name,
        function=function,
        payload={
            "store": store.url,
            "driver": driver,
            "digest": cell.digest,
            "title": cell.title,
            "request": plain(cell.request.to_json()),
            "evaluate": evaluate,
        },
        memory_bytes=memory_bytes,
        files=dict([cell.weights] if cell.weights else []),
    )


def perform(job: Job, around: Surroundings) -> Outcome:
    """Makes a cell and puts it into its sweep: the files first, its record last. Raises OSError where the store takes nothing."""
    store = open_store(job.payload["store"])
    store.check_driver(job.payload["driver"])
    with store.workspace(job.name) as folder:
        made = folder / "made"
        outcome = in_child(replace(job, payload={**job.payload, "out": str(made)}), around)
        if outcome.result is not None:
            (made / LOG_NAME).write_text(outcome.log)
            store.publish(made, f"cells/{job.name}")
            store.write(f"done/{job.name}.json", to_json(finished(job, outcome)).encode())
        elif not outcome.full_disk:
            store.write(f"failed/{job.name}.json", to_json(failed(job, outcome)).encode())
    return outcome


def convert_cell(payload: dict[str, Any], report: Report) -> dict[str, Any]:
    """What a cell's process does: a summary of the conversion in the folder `out` of `payload`."""
    from evit_mobile.commands.convert import run
    from evit_mobile.record.files import write_manifest

    out = payload["out"]
    conversion = run(ConvertRequest.from_json({**payload["request"], "out": out}), report)
    manifest = replace(conversion.manifest, request=payload["request"])
    write_manifest(manifest, Path(out))
    found = evaluations(manifest, Path(out), payload["evaluate"], report) if payload["evaluate"] else {}
    return summary(manifest, found)


def evaluations(
    manifest: Manifest, folder: Path, asked: dict[str, Any], report: Report
) -> dict[tuple[str, str], dict[str, Any]]:
    """What a row says of the plan's evaluation, for each file and judge that ran it."""
    from evit_mobile.commands.evaluate import evaluate

    found = {}
    with_reference = asked["reference"]
    images = {name: value for name, value in asked.items() if name != "reference"}
    pairs = [(entry.path, one.on) for entry in manifest.artefacts for one in entry.validations if one.images]
    for path, on in pairs:
        one = evaluate(folder / path, on=on or None, with_reference=with_reference, report=report, **images)
        low, high = one.drop_interval or (None, None)
        found[path, on] = {
            "evaluated_images": one.images,
            "evaluated_top1": one.top1,
            "evaluated_top1_low": one.top1_interval[0],
            "evaluated_top1_high": one.top1_interval[1],
            "evaluated_top5": one.top5,
            "evaluated_calibration_error": one.calibration_error,
            "evaluated_drop": one.drop,
            "evaluated_drop_low": low,
            "evaluated_drop_high": high,
        }
    return found


def summary(manifest: Manifest, evaluated: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    """What a cell's record says of its manifest."""
    model = manifest.model
    rows = [
        Row(
            path=entry.path,
            bytes=entry.bytes,
            sha256=entry.sha256,
            oldest_runtime=entry.oldest_runtime,
            on=one.on,
            runtime=one.runtime,
            verdict=one.verdict,
            reason=one.reason,
            images=one.images,
            sqnr_db=one.sqnr_db,
            agreement=one.top1_agreement,
            top1_reference=one.top1_reference,
            top1=one.top1_artefact,
            **evaluated.get((entry.path, one.on), {}),
        )
        for entry in manifest.artefacts
        for one in entry.validations
    ]
    facts: dict[str, Any] = plain(
        {"model": model.name, "params": model.params, "macs": model.macs, "size": manifest.input.size, "rows": rows}
    )
    return facts


def finished(job: Job, outcome: Outcome) -> dict[str, Any]:
    """The document of a CellRecord."""
    request = job.payload["request"]
    known = {
        "name": job.name,
        "digest": job.payload["digest"],
        "version": __version__,
        "precision": request["precision"],
        "format": request["formats"][0],
        "request": request,
        "host": socket.gethostname(),
        "seconds": round(outcome.seconds, 2),
        "peak_bytes": outcome.peak_bytes,
    }
    assert set(known) | set(outcome.result or ()) == set(CellRecord.__dataclass_fields__)
    return {**known, **(outcome.result or {})}


def failed(job: Job, outcome: Outcome) -> FailedCell:
    """Why a cell has no result."""
    return FailedCell(
        name=job.name,
        digest=job.payload["digest"],
        title=job.payload["title"],
        request=job.payload["request"],
        reason=outcome.reason,
        exit_code=outcome.exit_code,
        log=outcome.log,
        host=socket.gethostname(),
        seconds=round(outcome.seconds, 2),
    )
