"""What a sweep keeps of a cell: the record of a finished one, and why another has none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from converters.contract import Precision
from converters.errors import ArtefactError
from evit_mobile.findings import Verdict
from evit_mobile.strict_json import FieldError, read

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One written file as one judge found it. `path` is relative to the cell. `top1` and `top1_reference` are those of the validation,
    in percent, None without labels; what begins with `evaluated` is that of the plan's `evaluate`, with 95 % intervals.
    """

    path: str
    bytes: int
    sha256: str
    oldest_runtime: str | None
    on: str
    runtime: str
    verdict: Verdict
    reason: str
    images: int
    sqnr_db: float | None
    agreement: float | None
    top1_reference: float | None
    top1: float | None
    evaluated_images: int | None = None
    evaluated_top1: float | None = None
    evaluated_top1_low: float | None = None
    evaluated_top1_high: float | None = None
    evaluated_top5: float | None = None
    evaluated_calibration_error: float | None = None
    evaluated_drop: float | None = None
    evaluated_drop_low: float | None = None
    evaluated_drop_high: float | None = None

    @property
    def accuracy(self) -> float | None:
        """Top-1 in percent, of the evaluation where there was one."""
        return self.top1 if self.evaluated_top1 is None else self.evaluated_top1

    @property
    def lost_points(self) -> float | None:
        """Points of top-1 that the file loses against fp32; of agreement where there are no labels."""
        if self.evaluated_drop is not None:
            return self.evaluated_drop
        if self.top1 is not None and self.top1_reference is not None:
            return self.top1_reference - self.top1
        return None if self.agreement is None else 100 * (1 - self.agreement)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRecord:
    """A finished cell, done/NAME.json. `size` is (height, width) in pixels; `seconds` and `peak_bytes` are what the process took."""

    name: str
    digest: str
    version: str
    model: str
    params: int
    macs: int
    size: tuple[int, int]
    precision: Precision
    format: str
    request: dict[str, Any]
    rows: tuple[Row, ...]
    host: str
    seconds: float
    peak_bytes: int

    @property
    def proven(self) -> bool:
        """Whether every judge has passed every file."""
        return all(row.verdict is Verdict.PASSED for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCell:
    """A cell without a result, failed/NAME.json: the reason, the exit code that `convert` would have given, the end of its log."""

    name: str
    digest: str
    title: str
    request: dict[str, Any]
    reason: str
    exit_code: int
    log: str
    host: str
    seconds: float


def read_record(kind: type[Kind], content: bytes, name: str) -> Kind:
    """A record of that kind. Raises ArtefactError for another file."""
    try:
        found: Kind = read(kind, json.loads(content))
    except (ValueError, FieldError) as error:
        raise ArtefactError(
            got=f"{name} ({error})",
            allowed="a record that `evit-mobile sweep` wrote",
            do="remove it, and the cell is done again",
        ) from None
    return found
