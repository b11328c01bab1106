"""What a payload is, and where its files are."""

from __future__ import annotations

import pytest

from evit_mobile.engines.jobs import Job, Outcome, relocated


def test_paths_of_a_payload_are_those_of_the_copies() -> None:
    payload = {"a": ["x.pth", 1], "b": {"c": "x.pth", "d": "y"}}
    assert relocated(payload, {"x.pth": "z"}) == {"a": ["z", 1], "b": {"c": "z", "d": "y"}}


@pytest.mark.parametrize("value", [None, True, 7, 0.5, "x.pth.bak", "", [], {}, ["x", {"y": None}]])
def test_what_is_no_path_stays_as_it_is(value: object) -> None:
    assert relocated(value, {"x.pth": "z"}) == value


def test_keys_are_no_paths_and_the_payload_is_left_as_it_was() -> None:
    payload = {"x.pth": ["x.pth"]}
    assert relocated(payload, {"x.pth": "z"}) == {"x.pth": ["z"]}
    assert payload == {"x.pth": ["x.pth"]}


def test_jobs_do_not_share_their_files() -> None:
    first, second = (Job(name=name, function="m:f", payload={}) for name in "ab")
    first.files["weights.pth"] = "0" * 64
    assert second.files == {}


def test_an_outcome_without_a_result_is_no_success() -> None:
    assert (Outcome().result, Outcome(result={}).result) == (None, {})
