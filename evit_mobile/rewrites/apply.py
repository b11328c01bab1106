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
from evit_mobile.rewrites.half_cascaded_attention import rewrite_half_cascaded_attention
from evit_mobile.rewrites.half_linear_attention import rewrite_half_linear_attention
from evit_mobile.rewrites.half_relu_attention import rewrite_half_relu_attention
from evit_mobile.rewrites.integer_attention import rewrite_integer_attention
from evit_mobile.rewrites.integer_layer_norm import rewrite_integer_layer_norm
from evit_mobile.rewrites.layer_norm import rewrite_layer_norm
from evit_mobile.rewrites.linear_attention import rewrite_linear_attention
from evit_mobile.rewrites.relu_attention import rewrite_relu_attention
from evit_mobile.rewrites.upsampling import rewrite_upsampling
from evit_mobile.rewrites.windows import rewrite_windows

Pass = Callable[[nn.Module, Tensor], int]
"""Changes a module in place, may look at a few images (B, 3, H, W), and returns how many places it changed."""

Passes = tuple[tuple[str, Pass], ...]

SHARED_PASSES: Passes = (
    ("fold_batch_norm", fold_batch_norm),
    ("cascaded_attention", rewrite_cascaded_attention),
    ("relu_attention", rewrite_relu_attention),
    ("windows", rewrite_windows),
    ("upsampling", rewrite_upsampling),
)
"""What every form begins with."""

PASSES: Passes = (
    *SHARED_PASSES,
    ("linear_attention", rewrite_linear_attention),
    ("layer_norm", rewrite_layer_norm),
)
"""From a reference to the form that runtimes execute best in fp32 and int8."""

HALF_PASSES: Passes = (
    ("half_cascaded_attention", rewrite_half_cascaded_attention),
    ("half_relu_attention", rewrite_half_relu_attention),
    ("half_linear_attention", rewrite_half_linear_attention),
)
"""From there to a form whose intermediates fit fp16, for targets whose floats are fp16. Weights and what is int8 stay the same."""

INTEGER_PASSES: Passes = (
    *SHARED_PASSES,
    ("integer_attention", rewrite_integer_attention),
    ("integer_layer_norm", rewrite_integer_layer_norm),
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
        steps = []
        for name, apply in passes:
            places = apply(model, probe)
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
