"""What a sweep's plan asks for, as cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from itertools import product
from pathlib import Path
from typing import Any

from converters.contract import Precision
from converters.errors import ToolchainError
from converters.misspelt import did_you_mean
from converters.registry import TARGETS, all_formats, find_target, judges_of
from evit_mobile.errors import UsageError
from evit_mobile.request import ConvertRequest
from evit_mobile.strict_json import FieldError, correct, read

AXES = ("formats", "on", "out", "precision", "size", "sizes", "module")
"""Fields of a request that a plan says in another place, or not at all."""
FIELDS = tuple(one.name for one in fields(ConvertRequest) if one.name not in AXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """Labelled images to evaluate each written file on, all or the first `limit`, and the file that names their classes; with `reference`
    also the points that it loses against fp32.
    """

    images: str
    labels: str | None = None
    limit: int | None = None
    reference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """Every model with every size, precision, format and set of options.

    A model is a variant's name, or an object of fields of `ConvertRequest` as {"weights": "b1.pth"}. A size is a number, "192x256", or
    None for the model's own. `options` are further fields for all cells, or a list of them, each of which makes cells of its own.
    `judges` run the files of the formats that they judge; a format of which none does has its usual one.
    """

    models: tuple[Any, ...]
    sizes: tuple[Any, ...] = (None,)
    precisions: tuple[Precision, ...] = (Precision.INT8,)
    formats: tuple[str, ...] = ("all",)
    judges: tuple[str, ...] = ()
    options: Any = field(default_factory=dict)
    evaluate: EvaluationPlan | None = None

    @classmethod
    def of(cls, plan: SweepPlan | Mapping[str, Any] | Path | str) -> SweepPlan:
        """A plan as it is, from Python's values, or from a YAML file. Raises UsageError that names what is wrong by its path, and
        ToolchainError without PyYAML.
        """
        if isinstance(plan, SweepPlan):
            return plan
        document, where = (plan, "the plan") if isinstance(plan, Mapping) else (load_yaml(Path(plan)), str(plan))
        try:
            found: SweepPlan = read(cls, document)
            found.check()
        except FieldError as error:
            raise UsageError(
                got=f"{error.got} as {error.path} of {where}", allowed=error.allowed, do=error.do
            ) from None
        return found

    def check(self) -> None:
        """Raises FieldError for what no cell can have."""
        for name in ("models", "sizes", "precisions", "formats"):
            if not getattr(self, name):
                raise FieldError(name, "an empty list", "at least one")
        for index, name in enumerate(self.formats):
            check_name(f"formats[{index}]", name, [*TARGETS, "all"])
        known = sorted({judge for format in TARGETS for judge in judges_of(format)})
        for index, name in enumerate(self.judges):
            check_name(f"judges[{index}]", name, known)
        for place, given in (*self._numbered("models", self.models), *self._numbered("options", self.alternatives)):
            for name in given if isinstance(given, Mapping) else ():
                check_name(f"{place}.{name}", name, FIELDS)
        for place, size in self._numbered("sizes", self.sizes):
            parsed_size(place, size)

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The sets of options."""
        return tuple(self.options) if isinstance(self.options, list | tuple) else (self.options,)

    @staticmethod
    def _numbered(name: str, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
        for index, value in enumerate(values):
            if name == "sizes" or isinstance(value, Mapping | str):
                yield f"{name}[{index}]", value
            else:
                raise FieldError(f"{name}[{index}]", repr(value), "an object of fields, or a model's name")

    def requests(self) -> tuple[list[ConvertRequest], list[str]]:
        """The request of every cell, without `out`; and what is left out because the format does not have the precision, in words.

        Raises UsageError for what cannot be asked for together.
        """
        formats = list(
            dict.fromkeys(name for one in self.formats for name in (all_formats() if one == "all" else [one]))
        )
        wanted, left = [], []
        for precision, format in product(dict.fromkeys(self.precisions), formats):
            if precision in find_target(format).precisions:
                wanted.append((precision, format))
            else:
                left.append(f"{format} has no {precision}")
        sizes = [parsed_size("sizes", size) for size in self.sizes]
        combinations = product(self.models, sizes, self.alternatives, wanted)
        found = [self._request(*one) for one in combinations]
        if not found:
            raise UsageError(
                got=f"a plan of no cell: {'; '.join(left)}",
                allowed="a precision that one of the formats has",
                do="add a format or a precision",
            )
        return list({str(one.to_json()): one for one in found}.values()), left

    def _request(
        self, model: Any, size: tuple[int, int] | None, options: Mapping[str, Any], what: tuple[Precision, str]
    ) -> ConvertRequest:
        precision, format = what
        judges = [name for name in self.judges if name in judges_of(format)]
        own = model if isinstance(model, Mapping) else {"model": model}
        return ConvertRequest.from_json(
            {**options, **own, "size": size, "precision": precision, "formats": [format], "on": judges, "out": ""}
        )


def check_name(path: str, name: object, known: list[str] | tuple[str, ...]) -> None:
    """Raises FieldError for a name that there is not."""
    if name not in known:
        raise FieldError(path, repr(name), ", ".join(known), did_you_mean(str(name), known, correct(path)))


def parsed_size(path: str, size: object) -> tuple[int, int] | None:
    """(height, width) in pixels of 224, "224", "192x256" or [192, 256]; None for the model's own. Raises FieldError."""
    if size is None:
        return None
    sides = size if isinstance(size, list | tuple) else str(size).lower().split("x")
    if 1 <= len(sides) <= 2 and all(str(side).isdecimal() for side in sides):
        return int(sides[0]), int(sides[-1])
    raise FieldError(path, repr(size), "N or HEIGHTxWIDTH in pixels")


def load_yaml(path: Path) -> Any:
    """What a YAML file says; a key that is there twice is an error. Raises UsageError, ToolchainError."""
    try:
        import yaml
    except ImportError:
        raise ToolchainError(
            got=f"{path}, and no PyYAML to read it",
            allowed="plans where PyYAML is installed",
            do="pip install 'evit-mobile[sweep]'",
        ) from None

    try:
        text = path.read_text("utf-8")
        twice = repeated_key(yaml.compose(text))
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        twice, document = " ".join(str(error).split()), None
    if twice:
        raise UsageError(got=f"{path} ({twice})", allowed="a plan in YAML", do="correct the file")
    if not isinstance(document, dict):
        raise UsageError(
            got=f"{path}, which holds no object", allowed="models, sizes, precisions ...", do="see docs/sweeps.md"
        )
    return document


def repeated_key(node: Any) -> str | None:
    """The first key of a YAML node that is there twice, of which YAML itself would take the last."""
    if isinstance(node.value if node else None, list):
        pairs = [one for one in node.value if isinstance(one, tuple)]
        keys = [key.value for key, _ in pairs]
        own = [f"{key} is there twice" for index, key in enumerate(keys) if key in keys[:index]]
        inner = (repeated_key(value) for value in (*[value for _, value in pairs], *node.value[len(pairs) :]))
        return next(filter(None, [*own, *inner]), None)
    return None
