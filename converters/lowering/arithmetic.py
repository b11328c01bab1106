"""Operations of two operands by the names that no runtime gives them."""

from __future__ import annotations

from enum import Enum, auto


class Arithmetic(Enum):
    """The operations of two operands that every runtime has."""

    ADD = auto()
    SUB = auto()
    MUL = auto()
    DIV = auto()
    MAXIMUM = auto()
    MINIMUM = auto()

    @property
    def has_int8(self) -> bool:
        """Whether XNNPACK has an int8 form of it."""
        return self in (Arithmetic.ADD, Arithmetic.SUB, Arithmetic.MUL)

    @property
    def fuses_clamp(self) -> bool:
        """Whether it can end with a clamp."""
        return self.has_int8 or self is Arithmetic.DIV
