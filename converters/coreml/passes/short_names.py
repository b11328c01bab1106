"""Names that nobody looks up become short ones."""

from __future__ import annotations

import itertools
import string
from collections import defaultdict
from typing import Any

from converters.coreml.passes.registration import GraphPass, register_pass

SHORT = {"const": "c", "constexpr": "w", "quantize": "q", "dequantize": "d"}
VALUE = "v"
DIGITS = string.digits + string.ascii_lowercase


@register_pass
class short_names(GraphPass):  # type: ignore[misc]  # noqa: N801  # untyped base; a pass is known by its class name
    """Numbers all values, and the operations that nobody looks up by name: constants, weights, quantize and dequantize.

    A value's name is written where the value is made, and again wherever it is taken. Other operations keep their own names,
    which say their module.
    """

    def apply(self, program: Any) -> None:
        for function in program.functions.values():
            outputs = {var.name for var in function.outputs}
            numbers: dict[str, itertools.count[int]] = defaultdict(itertools.count)
            for operation in sorted(function.operations, key=_readers, reverse=True):
                short = SHORT.get(operation.op_type.split("_")[0])
                if len(operation.outputs) > 1 or operation.outputs[0].name in outputs:
                    continue
                letter = short or VALUE
                operation.outputs[0].name = letter + written(next(numbers[letter]))
                if short is not None:
                    operation.name = operation.outputs[0].name


def _readers(operation: Any) -> int:
    """How many operations name the result: what is read most gets the shortest name. Constants of compressed weights are written where
    they are used, and not named.
    """
    readers = [reader for output in operation.outputs for reader in output.child_ops]
    return sum(not reader.op_type.startswith("constexpr") for reader in readers)


def written(number: int) -> str:
    """`number` in base 36."""
    rest, digit = divmod(number, len(DIGITS))
    return (written(rest) if rest else "") + DIGITS[digit]
