"""The reference models: plain PyTorch, fp32, written for reading. Rewrites make them fast.

`build_model` is imported when it is first used: parameters and costs of the variants need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evit_mobile.models.build import build_model

__all__ = ["build_model"]


def __getattr__(name: str) -> Any:
    if name != "build_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from evit_mobile.models.build import build_model

    return build_model
