"""Runs a saved ML Program with PyTorch kernels, where Core ML itself does not exist.

It reads the very bytes of the package and follows the program in the precision that it states: a float16 result is
rounded to float16 after each operation and overflows to infinity there, sums run in float32, int8 codes are exact.
What no specification says (the order of sums, fused kernels of the Neural Engine) can differ on a device.
"""

from converters.coreml.evaluator.half_sums import HalfSums
from converters.coreml.evaluator.program import Evaluator

__all__ = ["Evaluator", "HalfSums"]
