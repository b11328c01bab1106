"""Applies the ordered passes to a copy of a model and verifies the function after each of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evit_mobile.errors import RewriteError
from evit_mobile.rewrites.cascaded_attention import rewrite_cascaded_attention
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm
from evit_mobile.rewrites.hard_swish import spell_hard_swish
from evit_mobile.rewrites.linear_attention import rewrite_linear_attention
from evit_mobile.rewrites.windows import rewrite_windows

Pass = Callable[[nn.Module, Tensor], int]
"""Changes a module in place, may look at a few images (B, 3, H, W), and returns how many places it changed."""

PASSES: tuple[tuple[str, Pass], ...] = (
    ("fold_batch_norm", fold_batch_norm),
    ("cascaded_attention", rewrite_cascaded_attention),
    ("windows", rewrite_windows),
    ("linear_attention", rewrite_linear_attention),
)
"""Passes that every precision gets."""

INT8_PASSES: tuple[tuple[str, Pass], ...] = (("hard_swish", spell_hard_swish),)
"""Passes that only help integer arithmetic."""

MAX_RELATIVE_ERROR = 1e-4
"""Largest change of any logit a pass may cause, relative to the largest logit. fp32 rounding stays below 1e-5."""


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


def rewrite(reference: nn.Module, probe: Tensor, *, int8: bool = False) -> tuple[nn.Module, RewriteLog]:
    """The deployment form of `reference` for images like `probe` (B, 3, H, W), and the log of what was done.

    `reference` is left untouched. Raises RewriteError when a pass changes the function on `probe`.
    """
    model = copy.deepcopy(reference).eval().requires_grad_(False)
    with torch.no_grad():
        expected = model(probe)
        steps = []
        for name, apply in PASSES + (INT8_PASSES if int8 else ()):
            places = apply(model, probe)
            error = relative_error(model(probe), expected)
            if not error <= MAX_RELATIVE_ERROR:
                raise RewriteError(
                    got=f"a relative error of {error:.2e} after the pass {name!r}",
                    allowed=f"at most {MAX_RELATIVE_ERROR:.0e}",
                    do="report this model; weights with extreme values can cause it",
                )
            steps.append(RewriteStep(name=name, places=places, relative_error=error))
    return model, RewriteLog(steps=tuple(steps))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest expected magnitude."""
    return float((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-12))
