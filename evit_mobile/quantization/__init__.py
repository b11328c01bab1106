"""Decides what is int8 in an exported program, and with which scales. Knows no runtime."""

from evit_mobile.quantization.plan import make_plan

__all__ = ["make_plan"]
