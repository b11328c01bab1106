"""The rewrites of each family, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from evit_mobile.rewrites.cascaded_attention import rewrite_cascaded_attention
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyPasses:
    """What leads to the forms of a family's models: `always`, then what is `usual`, or what `integer` arithmetic needs; `half` comes
    behind the usual ones for floats of fp16. A pass finds its places by the class of modules, so that those of other families are left
    alone.
    """

    always: Passes = ()
    usual: Passes = ()
    half: Passes = ()
    integer: Passes = ()


MSRA = FamilyPasses(
    always=(
        ("cascaded_attention", rewrite_cascaded_attention),
        ("relu_attention", rewrite_relu_attention),
        ("windows", rewrite_windows),
    ),
    half=(
        ("half_cascaded_attention", rewrite_half_cascaded_attention),
        ("half_relu_attention", rewrite_half_relu_attention),
    ),
)

MIT = FamilyPasses(
    always=(("upsampling", rewrite_upsampling),),
    usual=(
        ("linear_attention", rewrite_linear_attention),
        ("layer_norm", rewrite_layer_norm),
    ),
    half=(("half_linear_attention", rewrite_half_linear_attention),),
    integer=(
        ("integer_attention", rewrite_integer_attention),
        ("integer_layer_norm", rewrite_integer_layer_norm),
    ),
)
