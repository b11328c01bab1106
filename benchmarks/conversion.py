"""Converting: each route in a process of its own, so that no toolchain sees what another left behind.

Files of stock routes are kept for later runs as long as nothing they depend on has changed; ours, and those that conversion times are
compared with, are made anew each time.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.candidates import Candidate, Origin, Route
from benchmarks.machine import versions
from benchmarks.processes import Child, ChildError, one_line
from benchmarks.results import from_json, to_json
from converters.contract import Precision

SHARED_PACKAGES = ("torch", "numpy", "timm")


def convert_all(model: str, routes: tuple[Route, ...], folder: Path, *, fresh: bool) -> list[Candidate]:
    """The files of all routes for `model`, whose description lies in `folder`. What fails is a Candidate with an error."""
    return [candidate for route in routes for candidate in convert(model, route, folder, fresh=fresh)]


def convert(model: str, route: Route, folder: Path, *, fresh: bool) -> list[Candidate]:
    """The files of one route, kept ones if they are still valid."""
    record, valid = folder / route.name / "candidates.json", fingerprint(route, folder)
    if record.exists() and not fresh and not timed(route):
        kept = json.loads(record.read_text())
        if kept["fingerprint"] == valid:
            return [from_json(Candidate, entry) for entry in kept["candidates"]]
    candidates = convert_afresh(model, route, folder)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps({"fingerprint": valid, "candidates": [to_json(entry) for entry in candidates]}))
    return candidates


def timed(route: Route) -> bool:
    """Whether this run's conversion time of the route is wanted."""
    return route.origin is Origin.OURS or route.name == "litert-torch"


def fingerprint(route: Route, folder: Path) -> str:
    """Changes with the model's function, the toolchain's versions and the route's code."""
    digest = hashlib.sha256((folder / "logits.npy").read_bytes())
    digest.update(source_file(route).read_bytes())
    digest.update(json.dumps(versions((*route.packages, *SHARED_PACKAGES))).encode())
    return digest.hexdigest()


def source_file(route: Route) -> Path:
    """The file of the route's converter, found without importing it."""
    module = route.converter.partition(":")[0]
    return Path(__file__).parents[1] / (module.replace(".", "/") + ".py")


def convert_afresh(model: str, route: Route, folder: Path) -> list[Candidate]:
    """Runs the route in a process. When that dies, the precisions it had not finished are failures."""
    candidates: list[Candidate] = []
    with Child(converting, model, route, folder / route.name, threads=1, log=folder / f"{route.name}.log") as child:
        try:
            candidates.append(child.receive())
            while len(candidates) < len(route.precisions):
                candidates.append(child.ask())
        except ChildError as error:
            candidates += [failed(model, route, item, str(error)) for item in route.precisions[len(candidates) :]]
    return candidates


def failed(model: str, route: Route, precision: Precision, error: str) -> Candidate:
    return Candidate(
        model=model, runtime=route.runtime, origin=route.origin, precision=precision, path=None, error=error
    )


def converting(model: str, route: Route, folder: Path) -> Generator[Candidate, Any, None]:
    """In the process: loads the subject and the toolchain, then converts and times one precision after the other."""
    from benchmarks.subjects import load_subject

    module, _, name = route.converter.partition(":")
    converter: Callable[..., Path] = getattr(import_module(module), name)
    subject = load_subject(model)
    folder.mkdir(parents=True, exist_ok=True)
    for precision in route.precisions:
        started, processor = time.perf_counter(), time.process_time()
        try:
            path = converter(subject, precision, folder)
        except Exception as error:
            yield failed(model, route, precision, one_line(error))
            continue
        yield Candidate(
            model=model,
            runtime=route.runtime,
            origin=route.origin,
            precision=precision,
            path=path,
            bytes=size_bytes(path),
            convert_s=time.perf_counter() - started,
            convert_cpu_s=time.process_time() - processor,
        )


def size_bytes(path: Path) -> int:
    """The file's size, with that of the weights where a runtime keeps them in a .bin beside it."""
    weights = path.with_suffix(".bin")
    return path.stat().st_size + (weights.stat().st_size if weights.exists() else 0)
