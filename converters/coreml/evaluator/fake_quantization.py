"""Fake quantization: `quantize` and the `dequantize` of its codes as one step, which takes fewer passes and gives the same bits.

Codes count from the zero point here, which then need not be added and subtracted. What is not a number stays that, where `quantize` gives
it code 0: whoever finds one in a program's outputs has to run the operations one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.coreml.evaluator.operators import CODES, ZERO, codes_of_numbers
from converters.coreml.evaluator.step import Step, readers_of, rounded


def fake_quantize(
    *, input: Tensor, scale: Tensor, low: float, high: float, result_scales: Sequence[float], spare: bool
) -> list[Tensor]:
    """clip(round(input / scale), low, high) times each of `result_scales`, rounded to fp16. A `spare` input is overwritten.

    A product of a code and a scale is exact in float32, a code in fp16. Adding zero makes a negative zero positive, as it is after
    a zero point was added.
    """
    codes = F.hardtanh_((input.div_(scale) if spare else input / scale).round_(), low, high)
    products = [torch.add(ZERO, codes, alpha=one) for one in result_scales]
    return [product if one == 1 else rounded(product)[0] for product, one in zip(products, result_scales, strict=True)]


def with_fake_quantization(steps: Sequence[Step], outputs: Collection[str]) -> Iterator[Step]:
    """The steps of a program that gives `outputs`, those that quantize joined with those that dequantize, where nothing else takes the
    codes.
    """
    readers = readers_of(steps)
    fresh = {name for step in steps if step.finish is rounded for name in step.results}.difference(outputs)
    joined: set[str] = set()
    for step in steps:
        (codes, *_) = step.results
        if step.operation == "quantize" and codes not in outputs and _only_dequantized(step, readers[codes]):
            joined.update(reader.results[0] for reader in readers[codes])
            operand = step.operands["input"]
            yield _joined(step, readers[codes], spare=operand in fresh and len(readers[operand]) == 1)
        elif step.operation == "quantize":
            yield replace(step, kernel=partial(codes_of_numbers, **step.kernel.keywords))
        elif codes not in joined:
            yield step


def _only_dequantized(quantize: Step, readers: Sequence[Step]) -> bool:
    """Whether all that is made of the codes is fp16, by the same zero point and one scale each."""
    zero_point = quantize.kernel.keywords.get("zero_point", ZERO)
    return _of_one_scale(quantize, zero_point) and all(
        reader.operation == "dequantize" and reader.finish is rounded and _of_one_scale(reader, zero_point)
        for reader in readers
    )


def _of_one_scale(step: Step, zero_point: Tensor) -> bool:
    scale, other = step.kernel.keywords.get("scale"), step.kernel.keywords.get("zero_point", ZERO)
    return scale is not None and scale.ndim == 0 and other.ndim == 0 and bool(other == zero_point)


def _joined(quantize: Step, readers: Sequence[Step], *, spare: bool) -> Step:
    words = quantize.kernel.keywords
    zero_point = float(words.get("zero_point", ZERO))
    low, high = (limit - zero_point for limit in CODES[words["output_dtype"]])
    kernel = partial(
        fake_quantize,
        scale=words["scale"],
        low=low,
        high=high,
        result_scales=[float(reader.kernel.keywords["scale"]) for reader in readers],
        spare=spare,
    )
    return replace(quantize, kernel=kernel, results=tuple(reader.results[0] for reader in readers), finish=tuple)
