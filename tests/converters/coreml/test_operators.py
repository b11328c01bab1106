"""The table: every translation takes all that its ATen operator may be given."""

from __future__ import annotations

from inspect import signature

import pytest

from tests.lazily import Lazily

table = Lazily("converters.coreml.operators")


OUT_DTYPE = "out_dtype"
"""What none of our programs asks a dequantize for."""


def unable() -> list[str]:
    """The operators whose translation cannot be called with all the arguments of their schema."""
    found = []
    for operator, translation in {**table.OPERATORS, **table.WEIGHTS}.items():
        if hasattr(operator, "_schema"):
            arguments = [one for one in operator._schema.arguments if one.name != OUT_DTYPE]
            positional = [one.name for one in arguments if not one.kwarg_only]
            named = {one.name: None for one in arguments if one.kwarg_only}
            try:
                signature(translation).bind("emitter", *positional, **named)
            except TypeError as error:
                found.append(f"{operator}: {error}")
    return found


def test_every_translation_takes_all_arguments_of_its_operator() -> None:
    assert unable() == []


def test_a_planted_translation_of_other_arguments_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    operators = table.OPERATORS
    (relu,) = (one for one in operators if str(one) == "aten.relu.default")
    (matmul,) = (one for one in operators if str(one) == "aten.matmul.default")
    monkeypatch.setitem(operators, matmul, operators[relu])
    assert unable() == ["aten.matmul.default: too many positional arguments"]


def test_weights_that_stay_compressed_are_not_activations() -> None:
    assert not table.OPERATORS.keys() & table.WEIGHTS.keys()
