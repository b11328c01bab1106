"""One operation of a loaded program, ready to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from torch import Tensor

from converters.coreml.evaluator.constants import DECOMPRESSORS
from converters.coreml.evaluator.operators import OPERATORS
from converters.coreml.names import module_path
from converters.errors import ToolchainError

Values = dict[str, Any]
"""Value of every activation by name."""
Finish = Callable[[Any], Sequence[Any]]
"""Makes the results of what a kernel gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`kernel` has its constants already. `name` leads to the operation's module. `operands` names the activations that it takes, `lists`
    those that come in lists. `finish` makes `results`.
    """

    operation: str
    name: str
    kernel: partial[Any]
    operands: dict[str, str]
    lists: dict[str, list[str]]
    results: tuple[str, ...]
    finish: Finish
    releases: tuple[str, ...] = ()

    def taken(self) -> Iterator[str]:
        """Names of the values that it takes."""
        yield from self.operands.values()
        yield from chain.from_iterable(self.lists.values())

    def run(self, values: Values) -> None:
        """Adds the results to `values` and drops what nobody takes any more. Raises ToolchainError naming the operation that fails."""
        operands: Values = {key: values[name] for key, name in self.operands.items()}
        for key, names in self.lists.items():
            operands[key] = [values[name] for name in names]
        try:
            outputs = self.finish(self.kernel(**operands))
        except (NotImplementedError, RuntimeError, TypeError, KeyError) as error:
            raise unsupported(self.operation, self.name, str(error)) from error
        for name, output in zip(self.results, outputs, strict=True):
            values[name] = output
        for name in self.releases:
            del values[name]


def one(output: Any) -> tuple[Any]:
    """The result of an operation that has one."""
    return (output,)


def rounded(output: Tensor) -> tuple[Tensor]:
    """The one result, rounded to fp16 in place. It stays in float32, in which the next operation computes."""
    return (output.copy_(output.half()),)


def readers_of(steps: Sequence[Step]) -> Mapping[str, list[Step]]:
    """The steps that take each value, by its name; none for a value that nobody takes."""
    readers: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        for name in step.taken():
            readers[name].append(step)
    return readers


def releasing(steps: Sequence[Step], kept: Collection[str]) -> Iterator[Step]:
    """The steps, each of which drops the values that it is the last to take, but for those that are `kept`."""
    last = {name: step for step in steps for name in step.taken()}
    for step in steps:
        ended = {name: None for name in step.taken() if last[name] is step and name not in kept}
        yield replace(step, releases=tuple(ended))


def unsupported(operation: str, name: str, reason: str) -> ToolchainError:
    return ToolchainError(
        got=f"operation {operation} ({reason}) in module {module_path(name) or '(top)'}",
        allowed=", ".join(sorted((*OPERATORS, *DECOMPRESSORS))),
        do="run the file on a Mac, or add the operation to converters/coreml/evaluator/operators.py",
    )
