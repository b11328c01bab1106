"""Records of cells: what follows from their figures, and what is no record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError
from evit_mobile.findings import Verdict
from evit_mobile.strict_json import to_json
from evit_mobile.sweeps.records import CellRecord, FailedCell, read_record
from tests.evit_mobile.sweeps.test_best import record

FAILED = FailedCell(
    name="a", digest="d", title="t", request={}, reason="r", exit_code=3, log="l", host="here", seconds=1.5
)


@pytest.mark.parametrize(
    ("figures", "accuracy", "lost"),
    [
        ({}, 92.5, 0.5),
        ({"evaluated_top1": 80.0}, 80.0, 0.5),
        ({"evaluated_top1": 0.0, "evaluated_drop": -0.25}, 0.0, -0.25),
        ({"top1": None}, None, pytest.approx(2)),
        ({"top1_reference": None}, 92.5, pytest.approx(2)),
        ({"top1": None, "agreement": None}, None, None),
    ],
)
def test_points_are_lost_by_evaluation_then_validation_then_agreement(
    figures: dict[str, Any], accuracy: float | None, lost: object
) -> None:
    (row,) = record("a", **{"agreement": 0.98, **figures}).rows
    assert (row.accuracy, row.lost_points) == (accuracy, lost)


def test_a_cell_is_proven_by_every_row() -> None:
    whole = record("a")
    assert whole.proven
    for verdict in (Verdict.FAILED, Verdict.NOT_RUN):
        assert not replace(whole, rows=(*whole.rows, replace(whole.rows[0], verdict=verdict))).proven


@pytest.mark.parametrize("one", [record("a", sqnr_db=None), FAILED], ids=["done", "failed"])
def test_a_record_is_read_as_it_was_written(one: CellRecord | FailedCell) -> None:
    found = read_record(type(one), to_json(one).encode(), "done/a.json")
    assert found == one
    if isinstance(found, CellRecord):
        assert (found.precision, found.size) == (Precision.INT8, (64, 64))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rows": [{}]}, r"rows\[0\]\.path"),
        ({"precision": "int9"}, "precision"),
        ({"seconds": "long"}, "seconds"),
        ({"size": [64]}, "size"),
        ({"coulour": 1}, "coulour"),
    ],
)
def test_what_is_no_record_is_named_by_its_path(change: dict[str, Any], named: str) -> None:
    document = json.loads(to_json(record("a"))) | change
    with pytest.raises(ArtefactError, match=rf"done/a\.json \({named}.*remove it, and the cell is done again"):
        read_record(CellRecord, json.dumps(document).encode(), "done/a.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xff", b"7"])
def test_what_is_no_object_is_no_record_either(content: bytes) -> None:
    with pytest.raises(ArtefactError, match=r"done/a\.json"):
        read_record(FailedCell, content, "done/a.json")
