"""Arithmetic and activations, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converters.coreml.values import Translation, Var, is_variable

if TYPE_CHECKING:
    from converters.coreml.emitter import Emitter


def unary(kind: str) -> Translation:
    return lambda e, x: e.op(kind, x=x)


def binary(kind: str) -> Translation:
    return lambda e, x, y: e.op(kind, x=e.operand(x), y=e.operand(y))


def div(e: Emitter, x: Var, y: Var) -> Var:
    """x / y; with a number for y, one product."""
    return e.op("real_div", x=float_(x), y=y) if is_variable(y) else e.op("mul", x=x, y=1 / y)


def float_(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


def scaled_sum(kind: str) -> Translation:
    """x + alpha * y, or with a minus."""

    def translate(e: Emitter, x: Var, y: Var, *, alpha: float = 1) -> Var:
        scaled = e.operand(y) if alpha == 1 else e.op("mul", "scaled", x=float_(y), y=float(alpha))
        return e.op(kind, x=e.operand(x), y=scaled)

    return translate


def clamp(e: Emitter, x: Var, low: float | None = None, high: float | None = None) -> Var:
    if (low, high) == (0, None):
        return e.op("relu", x=x)
    if (low, high) == (0, 6):
        return e.op("relu6", x=x)
    if high is None:
        return e.op("maximum", x=x, y=float_(low))
    if low is None:
        return e.op("minimum", x=x, y=float_(high))
    return e.op("clip", x=x, alpha=float(low), beta=float(high))


def hardtanh(e: Emitter, x: Var, low: float = -1, high: float = 1) -> Var:
    return clamp(e, x, low, high)


def hardsigmoid(e: Emitter, x: Var, part: str = "") -> Var:
    return e.op("sigmoid_hard", part, x=x, alpha=1 / 6, beta=0.5)


def hardswish(e: Emitter, x: Var) -> Var:
    return e.op("mul", x=x, y=hardsigmoid(e, x, "gate"))


def gelu(e: Emitter, x: Var, approximate: str = "none") -> Var:
    return e.op("gelu", x=x, mode={"none": "EXACT", "tanh": "TANH_APPROXIMATION"}[approximate])


def pow_(e: Emitter, x: Var, exponent: float) -> Var:
    return e.op("square", x=x) if exponent == 2 else e.op("pow", x=x, y=float(exponent))


def rsqrt(e: Emitter, x: Var) -> Var:
    return e.op("rsqrt", x=x, epsilon=0.0)


def log(e: Emitter, x: Var) -> Var:
    return e.op("log", x=x, epsilon=0.0)
