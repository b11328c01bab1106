"""Decides what is int8 in an exported program, and with which scales. Knows no runtime."""

from evit_mobile.quantization.plan import make_plan
from evit_mobile.quantization.transfer import transfer_plan

__all__ = ["make_plan", "transfer_plan"]
