"""Errors say what we got, what is allowed and what to do, and know what the command line returns."""

from __future__ import annotations

import pickle

import pytest

from evit_mobile import errors
from evit_mobile.errors import CheckpointError, DeviceError, EvitMobileError, RewriteError, UsageError

KINDS = [UsageError, CheckpointError, DeviceError, RewriteError]


@pytest.mark.parametrize("kind", KINDS)
def test_the_message_is_made_of_the_three(kind: type[EvitMobileError]) -> None:
    error = kind(got="7 classes", allowed="10", do="pass --num-classes 10")
    assert str(error) == "got 7 classes; allowed: 10; pass --num-classes 10"
    assert (error.got, error.allowed, error.do) == ("7 classes", "10", "pass --num-classes 10")


@pytest.mark.parametrize("kind", KINDS)
def test_another_process_gets_the_same_error(kind: type[EvitMobileError]) -> None:
    error = kind(got="a", allowed="b", do="c")
    sent = pickle.loads(pickle.dumps(error))
    assert (type(sent), str(sent), sent.exit_code) == (kind, str(error), kind.exit_code)
    assert (sent.got, sent.allowed, sent.do) == ("a", "b", "c")


@pytest.mark.parametrize("kind", KINDS)
def test_exit_codes_are_those_that_the_tree_draws(kind: type[EvitMobileError]) -> None:
    """2 for what the user can correct, 3 for what he cannot; a class without a code of its own has its base's."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if f"- {kind.__name__} " in line]
    assert len(lines) == 1
    assert kind.exit_code == (3 if "exit 3" in lines[0] else 2)
    assert issubclass(kind, UsageError) == (kind.exit_code == 2)


@pytest.mark.parametrize("wrong", [("a",), ("a", "b", "c")])
def test_an_error_cannot_say_less(wrong: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        UsageError(*wrong)  # type: ignore[call-arg,misc]  # that is what is refused
    with pytest.raises(TypeError, match="do"):
        UsageError(got="a", allowed="b")  # type: ignore[call-arg]  # as above
