"""The table: every translation takes what its ATen operator is given."""

from __future__ import annotations

from inspect import signature
from typing import Any

import pytest

from tests.lazily import Lazily

table = Lazily("converters.coreml.operators")


def required(operator: Any) -> tuple[list[str], list[str]]:
    """Names of the arguments of an ATen operator that a program always gives: by position, and by name."""
    given = [argument for argument in operator._schema.arguments if not argument.has_default_value()]
    return [one.name for one in given if not one.kwarg_only], [one.name for one in given if one.kwarg_only]


def unable() -> list[str]:
    """The operators whose translation cannot be called with what their schema requires."""
    found = []
    for operator, translation in {**table.OPERATORS, **table.WEIGHTS}.items():
        if hasattr(operator, "_schema"):
            positional, named = required(operator)
            try:
                signature(translation).bind("emitter", *positional, **dict.fromkeys(named))
            except TypeError as error:
                found.append(f"{operator}: {error}")
    return found


def test_every_translation_takes_what_its_operator_requires() -> None:
    assert unable() == []


def test_a_planted_translation_of_other_arguments_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = table.OPERATORS
    (relu,) = (one for one in operators if str(one) == "aten.relu.default")
    (matmul,) = (one for one in operators if str(one) == "aten.matmul.default")
    monkeypatch.setitem(operators, matmul, operators[relu])
    assert unable() == ["aten.matmul.default: too many positional arguments"]


def test_weights_that_stay_compressed_are_not_activations() -> None:
    assert not table.OPERATORS.keys() & table.WEIGHTS.keys()
