"""Older documents become current ones without losing or inventing anything."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from converters.errors import ArtefactError
from evit_mobile.record.upgrade import SCHEMA, plan_name, upgraded

VALIDATION = {"verdict": "passed", "on": "first"}


def of_schema_1(*artefacts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"schema": 1, "artefacts": list(artefacts), **fields}


def test_a_current_document_is_left_alone() -> None:
    document = {"schema": SCHEMA, "artefacts": [{"validation": VALIDATION}], "quant_plan": {"profile": "int8"}}
    assert upgraded(document) is document


def test_the_one_plan_goes_to_the_artefacts_of_its_precision() -> None:
    document = of_schema_1(
        {"path": "a", "precision": "int8", "validations": [VALIDATION]},
        {"path": "b", "precision": "fp16", "validations": [VALIDATION]},
        quant_plan={"profile": "int8", "activations": []},
        protection={"modules": ["head"]},
        labels=["x"],
    )
    before = copy.deepcopy(document)
    assert upgraded(document) == {
        "schema": 2,
        "labels": ["x"],
        "artefacts": [
            {
                "path": "a",
                "precision": "int8",
                "validations": [VALIDATION],
                "plan": "plans/int8.json",
                "protection": {"modules": ["head"]},
            },
            {"path": "b", "precision": "fp16", "validations": [VALIDATION]},
        ],
    }
    assert document == before


@pytest.mark.parametrize(
    ("entry", "validations"),
    [
        ({"validation": VALIDATION}, [VALIDATION]),
        ({"validation": VALIDATION, "validations": []}, [VALIDATION]),
        ({"validation": VALIDATION, "validations": [{"on": "second"}]}, [{"on": "second"}]),
        ({"validations": [VALIDATION]}, [VALIDATION]),
    ],
)
def test_the_sum_of_judges_stands_for_them_only_where_they_are_missing(
    entry: dict[str, Any], validations: list[Any]
) -> None:
    (found,) = upgraded(of_schema_1({"path": "a", **entry}))["artefacts"]
    assert found == {"path": "a", "validations": validations}


@pytest.mark.parametrize("plan", [None, {}, {"profile": None}, "int8", 7])
def test_without_a_plan_nobody_gets_one(plan: object) -> None:
    (entry,) = upgraded(of_schema_1({"precision": "int8"}, quant_plan=plan))["artefacts"]
    assert entry == {"precision": "int8"}


@pytest.mark.parametrize("artefacts", [None, 3, {}, "ab", [3, None]])
def test_what_is_no_artefact_is_left_to_who_reads_it(artefacts: object) -> None:
    assert upgraded({"schema": 1, "artefacts": artefacts}) == {"schema": 2, "artefacts": artefacts}
    assert upgraded({"schema": 1}) == {"schema": 2}


@pytest.mark.parametrize(
    ("document", "schema"),
    [
        ({"schema": 3}, "3"),
        ({"schema": 0}, "0"),
        ({"schema": "2"}, "2"),
        ({"schema": True}, "True"),
        ({"schema": 2.0}, "2.0"),
        ({}, "None"),
        ([], "None"),
        (None, "None"),
        ("schema", "None"),
    ],
)
def test_any_other_schema_is_refused(document: object, schema: str) -> None:
    with pytest.raises(
        ArtefactError, match=rf"a manifest with schema {schema}; allowed: schema 2, or 1 .*convert again"
    ):
        upgraded(document)


def test_a_plan_is_called_by_its_precision() -> None:
    assert plan_name("int8-full") == "plans/int8-full.json"
