"""The reference models: plain PyTorch, fp32, written for reading. Rewrites make them fast."""

from evit_mobile.models.build import build_model

__all__ = ["build_model"]
