"""Softmax, norms, and sums along dimensions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.converters.coreml.coreml_programs import seeded
from tests.converters.coreml.mil_programs import X, emitted, evaluated, of_function, operations

CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax of channels": lambda x: x.softmax(1),
    "softmax from the end": lambda x: x.softmax(-2),
    "mean of an image": lambda x: x.mean((2, 3)),
    "mean from the end, kept": lambda x: x.mean(-1, keepdim=True),
    "mean of all of one dimension": lambda x: x[:, :1].mean(1),
    "sum of channels": lambda x: x.sum(1),
    "sum, kept": lambda x: x.sum((1, -1), keepdim=True),
    "sum of everything": lambda x: x.sum(None, keepdim=True),
    "mean of everything": lambda x: x.mean((), keepdim=True),
    "softmax in a given type": lambda x: x.softmax(1, dtype=torch.float32),
    "mean in a given type": lambda x: x.mean(1, dtype=torch.float32),
    "sum in a given type": lambda x: x.sum(1, dtype=torch.float32),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    actual, _ = of_function(CASES[name])
    expected = CASES[name](X).numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm_over_the_last_dimensions(shape: tuple[int, ...], affine: bool) -> None:
    module = seeded(lambda: nn.LayerNorm(shape, eps=0.25, elementwise_affine=affine))
    if affine:
        with torch.no_grad():
            module.weight.normal_()
            module.bias.normal_()
    program = emitted(module)
    with torch.no_grad():
        np.testing.assert_allclose(evaluated(program), module(X).numpy(), rtol=1e-4, atol=1e-5)
    (norm,) = [one for one in operations(program) if one.op_type == "layer_norm"]
    assert norm.axes.val.tolist() == list(range(-len(shape), 0))
