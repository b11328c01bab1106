"""Which operations of two operands XNNPACK computes in int8, and which can end with a clamp."""

from __future__ import annotations

import pytest

from converters.lowering.arithmetic import Arithmetic


@pytest.mark.parametrize(
    ("kind", "int8", "clamp"),
    [
        (Arithmetic.ADD, True, True),
        (Arithmetic.SUB, True, True),
        (Arithmetic.MUL, True, True),
        (Arithmetic.DIV, False, True),
        (Arithmetic.MAXIMUM, False, False),
        (Arithmetic.MINIMUM, False, False),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_xnnpack_has_of_it(kind: Arithmetic, int8: bool, clamp: bool) -> None:
    """xnn_define_binary in xnnpack/src/subgraph/binary.c, and AddOptions and their like in TFLite's schema."""
    assert (kind.has_int8, kind.fuses_clamp) == (int8, clamp)


def test_formats_find_their_operation_by_its_name() -> None:
    assert [kind.name for kind in Arithmetic] == ["ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM"]
