"""Hard swish, x * clip(alpha * x + beta, 0, 1), after the operation that gives x, in half of the passes that single operations take."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.coreml.evaluator.step import Step, readers_of, rounded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HardSwish:
    """Finishes a result in fp16, whose operations on a processor are those of float32, rounded. The product of alpha and x is exact
    there, and to clip what is rounded is to round what is clipped.
    """

    alpha: float
    beta: Tensor

    def __call__(self, output: Tensor) -> tuple[Tensor]:
        x = output.half()
        gate = F.hardtanh_(torch.add(self.beta, x, alpha=self.alpha), 0, 1)
        return (output.copy_(x.mul_(gate)),)


def with_hard_swish(steps: Sequence[Step], outputs: Collection[str]) -> Iterator[Step]:
    """The steps of a program that gives `outputs`; those that nothing but a hard swish takes the fp16 result of end with it."""
    readers = readers_of(steps)
    joined: set[str] = set()
    for step in steps:
        if step.results[0] in joined:
            continue
        pair = readers[step.results[0]] if step.finish is rounded and step.results[0] not in outputs else []
        if [one.operation for one in pair] == ["sigmoid_hard", "mul"] and _is_hard_swish(
            pair[0], pair[1], readers, outputs
        ):
            gate, product = pair
            joined.update(gate.results + product.results)
            words = gate.kernel.keywords
            finish = HardSwish(alpha=words["alpha"], beta=torch.tensor(words["beta"], dtype=torch.half))
            yield replace(step, results=product.results, finish=finish)
        else:
            yield step


def _is_hard_swish(gate: Step, product: Step, readers: Mapping[str, list[Step]], outputs: Collection[str]) -> bool:
    """Whether the product is of the gate and of what the gate takes, and nothing else takes the gate."""
    (name,) = gate.results
    taken = set(product.taken())
    return (
        taken == {name, gate.operands["x"]}
        and readers[name] == [product]
        and name not in outputs
        and gate.finish is product.finish is rounded
    )
