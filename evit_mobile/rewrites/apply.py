"""Applies the ordered passes to a copy of a model and verifies the function after each of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evit_mobile.errors import RewriteError
from evit_mobile.families import FAMILIES
from evit_mobile.families.family import imported
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm
from evit_mobile.rewrites.passes import FamilyPasses, Passes

ROWS: tuple[FamilyPasses, ...] = tuple(imported(family.passes) for family in FAMILIES)

PASSES: Passes = (("fold_batch_norm", fold_batch_norm), *(one for row in ROWS for one in (*row.always, *row.usual)))
"""From a reference to the form that runtimes execute best in fp32 and int8."""

HALF_PASSES: Passes = tuple(one for row in ROWS for one in row.half)
"""From there to a form whose intermediates fit fp16, for targets whose floats are fp16. Weights and what is int8 stay the same."""

INTEGER_PASSES: Passes = (
    ("fold_batch_norm", fold_batch_norm),
    *(one for row in ROWS for one in (*row.always, *row.integer)),
)
"""From a reference to a form of which every operation exists in int8."""

MAX_RELATIVE_ERROR = 1e-4
"""Largest change of any logit that PASSES may cause, relative to the largest logit. fp32 rounding stays below 1e-5."""

HALF_MAX_RELATIVE_ERROR = 2.0**-9
"""The same for HALF_PASSES: four roundings to fp16, which their programs suffer many times over. What fp16 cannot hold is lost here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteStep:
    """One pass: how many places it changed and the relative error of the logits against the reference after it."""

    name: str
    places: int
    relative_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteLog:
    """What `rewrite` did, in order."""

    steps: tuple[RewriteStep, ...]

    @property
    def places(self) -> int:
        """How many places changed, over all passes."""
        return sum(step.places for step in self.steps)


def rewrite(reference: nn.Module, probe: Tensor) -> tuple[nn.Module, RewriteLog]:
    """The deployment form of `reference` for images like `probe` (B, 3, H, W), and the log of what was done.

    `reference` is left untouched. Raises RewriteError when a pass changes the function on `probe`.
    """
    return _apply(PASSES, reference, probe, MAX_RELATIVE_ERROR)


def rewrite_for_half(rewritten: nn.Module, probe: Tensor) -> tuple[nn.Module, RewriteLog]:
    """What `rewrite` gave, in a form for fp16 floats. Likewise untouched, logged and verified."""
    return _apply(HALF_PASSES, rewritten, probe, HALF_MAX_RELATIVE_ERROR)


def rewrite_for_integers(reference: nn.Module, probe: Tensor) -> tuple[nn.Module, RewriteLog]:
    """The form of `reference` whose every operation exists in int8. Likewise untouched, logged and verified."""
    return _apply(INTEGER_PASSES, reference, probe, MAX_RELATIVE_ERROR)


def _apply(passes: Passes, original: nn.Module, probe: Tensor, limit: float) -> tuple[nn.Module, RewriteLog]:
    model = copy.deepcopy(original).eval().requires_grad_(False)
    with torch.no_grad():
        expected = model(probe)
        steps, error = [], 0.0
        for name, apply in passes:
            if places := apply(model, probe):
                error = relative_error(model(probe), expected)
            if not error <= limit:
                raise RewriteError(
                    got=f"a relative error of {error:.2e} after the pass {name!r}",
                    allowed=f"at most {limit:.0e}",
                    do="report this model; weights with extreme values can cause it",
                )
            steps.append(RewriteStep(name=name, places=places, relative_error=error))
    return model, RewriteLog(steps=tuple(steps))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest expected magnitude."""
    actual, expected = actual.detach(), expected.detach()
    return float((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
