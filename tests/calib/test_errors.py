"""Errors say what was got, what is allowed and what to do, in another process too."""

from __future__ import annotations

import pickle

import pytest

import calib
from calib.errors import CalibError, DataError


def test_errors_say_what_was_got_what_is_allowed_and_what_to_do() -> None:
    error = calib.DataError(got="a", allowed="b", do="c")
    assert str(error) == "got a; allowed: b; c"
    assert (error.got, error.allowed, error.do, error.exit_code) == ("a", "b", "c", 2)


def test_an_error_survives_the_way_from_another_process() -> None:
    error = DataError(got="a", allowed="b", do="c")
    sent = pickle.loads(pickle.dumps(error))
    assert type(sent) is DataError
    assert (str(sent), sent.got, sent.allowed, sent.do) == (str(error), "a", "b", "c")


def test_everything_is_said_by_name() -> None:
    assert issubclass(DataError, CalibError)
    with pytest.raises(TypeError):
        DataError("a", "b", "c")  # type: ignore[misc]  # what is not allowed
