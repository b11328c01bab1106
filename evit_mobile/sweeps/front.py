"""Which of many files nothing beats: as accurate and smaller, or as fast and more accurate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evit_mobile.findings import Verdict
from evit_mobile.strict_json import FieldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file of a finished cell as one judge found it. `accuracy` is its top-1 in percent, None without labels; `lost_points` those of
    top-1, or of agreement where there are no labels. `latency_ms` is a median, None where it was not measured in turns with others.
    """

    cell: str
    title: str
    path: str
    manifest: str
    on: str
    runtime: str
    verdict: Verdict
    bytes: int
    sqnr_db: float | None
    accuracy: float | None
    agreement: float | None
    lost_points: float | None
    latency_ms: float | None = None
    fronts: tuple[str, ...] = ()

    def cost(self, name: str) -> float | None:
        """What is paid: "latency" in ms, "size" in MB."""
        return self.latency_ms if name == "latency" else self.bytes / 1e6

    def gain(self, name: str) -> float | None:
        """What is had: "accuracy" or "agreement" in percent, "sqnr" in dB."""
        if name == "agreement":
            return None if self.agreement is None else 100 * self.agreement
        return self.accuracy if name == "accuracy" else self.sqnr_db


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file has to keep: at most so many ms, points lost and MB. Raises FieldError for a limit below 0."""

    max_ms: float | None = None
    max_drop: float | None = None
    max_mb: float | None = None

    def __post_init__(self) -> None:
        for name, option in (("max_ms", "--max-ms"), ("max_drop", "--max-drop"), ("max_mb", "--max-mb")):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise FieldError(option, str(value), "0 or more")

    def kept_by(self, one: Candidate) -> bool:
        """Whether a file passed its judge and keeps all of them; what is not known keeps none."""
        pairs = ((self.max_ms, one.latency_ms), (self.max_drop, one.lost_points), (self.max_mb, one.bytes / 1e6))
        return one.verdict is Verdict.PASSED and all(
            limit is None or (value is not None and value <= limit) for limit, value in pairs
        )


def front(candidates: Sequence[Candidate], cost: str, gain: str) -> list[Candidate]:
    """Those that passed and that no other beats: none costs as little and gains as much, and one of both better; the cheapest first."""
    known = [one for one in candidates if one.verdict is Verdict.PASSED and has(one, cost, gain)]
    known.sort(key=lambda one: (one.cost(cost) or 0.0, -(one.gain(gain) or 0.0)))
    found: list[Candidate] = []
    for one in known:
        best = found[-1] if found else None
        equal = best is not None and (one.cost(cost), one.gain(gain)) == (best.cost(cost), best.gain(gain))
        if best is None or equal or (one.gain(gain) or 0.0) > (best.gain(gain) or 0.0):
            found.append(one)
    return found


def has(one: Candidate, cost: str, gain: str) -> bool:
    return one.cost(cost) is not None and one.gain(gain) is not None


def merit(gain: str) -> Callable[[Candidate], tuple[float, float, float]]:
    """The order in which files are the best: what is gained, then latency, then size."""

    def key(one: Candidate) -> tuple[float, float, float]:
        value = one.gain(gain)
        return -(float("-inf") if value is None else value), one.latency_ms or float("inf"), one.bytes

    return key
