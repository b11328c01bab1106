"""JSON held to the types of frozen dataclasses: what is unknown, missing or of another type is an error that names its path."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from converters.misspelt import did_you_mean

Measured = Annotated[float, "null where it is not finite"]
"""A number that need not be finite: JSON has none of these, so it is null there, and NaN when it is read back."""


class FieldError(ValueError):
    """A value that is not what its field takes; `path` leads to it, as "artefacts[0].bytes"."""

    def __init__(self, path: str, got: str, allowed: str, do: str | None = None) -> None:
        super().__init__(f"{path}: got {got}; allowed: {allowed}")
        self.path, self.got, self.allowed = path, got, allowed
        self.do = do or correct(path)


def correct(path: str) -> str:
    return f"correct {path}"


def read(kind: Any, value: Any, path: str = "") -> Any:
    """`value` as a `kind`: a dataclass, an enum, a Literal, `X | None`, a tuple, a dict, Measured, or str, int, float, bool.

    Raises FieldError, which a dataclass may raise itself for values that do not go together.
    Lists are tuples there, objects are dataclasses, and whole numbers are floats where these are expected.
    """
    if kind is Any:
        return value
    if kind == Measured:
        return math.nan if value is None else read(float, value, path)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _read_literal(arguments, value, path)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not NoneType)
        return read(inner, value, path)
    if origin is tuple and isinstance(value, list | tuple):
        return _read_tuple(arguments, value, path)
    if origin is dict and isinstance(value, Mapping):
        return {key: read(arguments[1], item, f"{path}.{key}") for key, item in value.items()}
    if is_dataclass(kind) and isinstance(value, Mapping):
        return _read_dataclass(kind, value, path)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _read_enum(kind, value, path)
    return _read_plain(origin or kind, value, path)


def _read_dataclass(kind: Any, value: Mapping[str, Any], path: str) -> Any:
    known = {field.name: field for field in fields(kind) if field.init}
    prefix = f"{path}." if path else ""
    for name in value:
        if name not in known:
            do = did_you_mean(str(name), known, correct(f"{prefix}{name}"))
            raise FieldError(f"{prefix}{name}", "an unknown field", ", ".join(known), do)
    for name, field in known.items():
        if name not in value and field.default is MISSING and field.default_factory is MISSING:
            raise FieldError(f"{prefix}{name}", "nothing", "a value: it has no default")
    hints = get_type_hints(kind, include_extras=True)
    values = {name: read(hints[name], item, f"{prefix}{name}") for name, item in value.items()}
    try:
        return kind(**values)
    except FieldError as error:
        raise FieldError(f"{prefix}{error.path}", error.got, error.allowed) from None


def _read_tuple(arguments: tuple[Any, ...], value: list[Any] | tuple[Any, ...], path: str) -> tuple[Any, ...]:
    if arguments[-1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    if len(arguments) != len(value):
        raise FieldError(path, f"{len(value)} values", f"{len(arguments)} values")
    pairs = zip(arguments, value, strict=True)
    return tuple(read(kind, item, f"{path}[{index}]") for index, (kind, item) in enumerate(pairs))


def _read_enum(kind: type[Enum], value: Any, path: str) -> Enum:
    try:
        return kind(value)
    except ValueError:
        known = [str(member.value) for member in kind]
        raise FieldError(path, repr(value), ", ".join(known), did_you_mean(str(value), known, correct(path))) from None


def _read_literal(allowed: tuple[Any, ...], value: Any, path: str) -> Any:
    if not any(value == one and type(value) is type(one) for one in allowed):
        raise FieldError(path, repr(value), ", ".join(map(str, allowed)))
    return value


def _read_plain(kind: type, value: Any, path: str) -> Any:
    if kind is str and isinstance(value, PurePath):
        return str(value)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise FieldError(path, repr(value), NAMES.get(kind, kind.__name__))


NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list",
    dict: "an object",
}


def to_json(document: object) -> str:
    """Strict JSON of what `plain` makes of a document."""
    return json.dumps(plain(document), indent=1, allow_nan=False) + "\n"


def plain(value: object) -> Any:
    """Dataclasses as objects, tuples as lists, numbers that are not finite as null: what `json.loads` would give back."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
