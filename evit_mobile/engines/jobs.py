"""What engines run, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from evit_mobile.engines.children import Children
from evit_mobile.progress import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A function, "module:function", that a process of its own calls with `payload` and a Report; both it and its result are JSON.

    `memory_bytes` is the most that the process is expected to take. `files` are those that have to be where it runs, a path and its
    SHA-256 each; where they are not, the engine brings them and the payload names the copies.
    """

    name: str
    function: str
    payload: dict[str, Any]
    memory_bytes: int = 0
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a job gave: its `result`, or the `reason` why there is none with the exit code that it stands for. `log` is the end of what
    the process said; `full_disk` where there was no room for its files.
    """

    result: dict[str, Any] | None = None
    reason: str = ""
    exit_code: int = 0
    full_disk: bool = False
    seconds: float = 0.0
    peak_bytes: int = 0
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What whoever runs a job is given: where progress goes, and who ends its process when the engine is ended."""

    report: Report
    children: Children


Work = Callable[[Job, Surroundings], Outcome]
"""Runs a job where it is called: importable by name, so that other machines can call it."""


class Engine(Protocol):
    """Where jobs run."""

    def run(self, work: Work, jobs: Iterable[Job], report: Report) -> Generator[tuple[Job, Outcome], None, None]:
        """The jobs with what came of them, in the order in which they end. A job is asked for only when there is room for it. Closing
        the iterator ends what still runs. What `work` raises is raised here.
        """


def relocated(value: Any, places: dict[str, str]) -> Any:
    """A payload in which every path of `places` is the one that it stands for."""
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, dict):
        return {key: relocated(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [relocated(item, places) for item in value]
    return value
