"""What a run leaves behind, and its JSON form."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.candidates import Candidate
from benchmarks.description import Description
from benchmarks.machine import Machine
from benchmarks.measurement import Clock
from benchmarks.statistics import Spread
from converters.contract import Precision

SCHEMA = 1
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Logits against the PyTorch reference on the held-out images. `top1` in percent, None without labels."""

    sqnr_db: float
    top1_agreement: float
    top1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One thread count. `rounds_ms` holds the median time of one inference in each round by `clock`, `ms` its spread over the rounds.

    `wall_ms` and `cpu_ms` are the same by both clocks. The ratios are paired by rounds: to the stock fp32 file of the same runtime and
    model, and to the comparison's lead, our int8 LiteRT file of its first model. `peak_share` is multiply-accumulates per second
    as a share of the machine's peak in the same precision and rounds.
    """

    threads: int
    clock: Clock
    rounds_ms: tuple[float, ...]
    ms: Spread
    wall_ms: Spread
    cpu_ms: Spread
    of_stock: Spread | None
    of_lead: Spread | None
    peak_share: Spread | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A candidate with what was measured; `error` where it did not run."""

    candidate: Candidate
    accuracy: Accuracy | None
    timings: tuple[Timing, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """Multiply-accumulates per second (10^9) of large convolutions in LiteRT, in the same rounds."""

    precision: Precision
    threads: int
    gmacs_per_s: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Candidates that were measured in the same rounds."""

    title: str
    date: str
    machine: Machine
    versions: dict[str, str]
    rounds: int
    turn_s: float
    images: int
    models: tuple[Description, ...]
    peaks: tuple[Peak, ...]
    results: tuple[Result, ...]
    schema: int = SCHEMA


def to_json(record: Any) -> dict[str, Any]:
    """A dataclass as what `json.dumps` takes."""
    plain: dict[str, Any] = dataclasses.asdict(record, dict_factory=lambda pairs: {k: _plain(v) for k, v in pairs})
    return plain


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path | StrEnum) else value


def from_json(record: type[Record], document: dict[str, Any]) -> Record:
    """The dataclass that `to_json` wrote. Raises KeyError and TypeError for other documents."""
    hints = typing.get_type_hints(record)
    return record(**{name: _restored(hints[name], value) for name, value in document.items()})


def _restored(hint: Any, value: Any) -> Any:
    """`value` as the type that `hint` names."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):  # of a type with None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _restored(inner, value)
    if origin is tuple:
        inners = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_restored(inner, item) for inner, item in zip(inners, value, strict=True))
    if dataclasses.is_dataclass(hint):
        return from_json(typing.cast(type[Any], hint), value)
    if isinstance(hint, type) and issubclass(hint, Path | StrEnum):
        return hint(value)
    return value
