"""Teaches a variation of a model to follow the original, from images without labels."""

from evit_mobile.recovery.procedure import recover

__all__ = ["recover"]
