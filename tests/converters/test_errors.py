"""Errors say what was got, what is allowed and what to do, and with which exit code a command ends."""

from __future__ import annotations

import pickle

import pytest

from converters import errors
from converters.coreml.options import OptionError
from converters.errors import ConverterError
from converters.registry import UnknownTargetError

CODES = {
    errors.ArtefactError: 2,
    UnknownTargetError: 2,
    errors.UnknownSocError: 2,
    OptionError: 2,
    errors.ToolchainError: 3,
    errors.NoRuntimeError: 3,
}


@pytest.mark.parametrize("kind", CODES)
def test_an_error_has_its_parts_and_code_in_another_process_too(kind: type[ConverterError]) -> None:
    error = kind(got="a", allowed="b", do="c")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert type(one) is kind
        assert (str(one), one.got, one.allowed, one.do) == ("got a; allowed: b; c", "a", "b", "c")
        assert one.exit_code == CODES[kind]


def test_the_page_of_errors_names_them_all() -> None:
    assert errors.__doc__ is not None
    for kind, code in CODES.items():
        (line,) = (line for line in errors.__doc__.splitlines() if kind.__name__ in line)
        assert f"exit {code}" in line or "the same" in line
