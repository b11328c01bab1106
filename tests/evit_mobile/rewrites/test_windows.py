"""Windows by slices are the reference's, whether they fill the grid or not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evit_mobile.models.msra import LocalWindowAttention
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.surgery import captured_inputs
from evit_mobile.rewrites.windows import SlicedWindowAttention, rewrite_windows
from tests.evit_mobile.rewrites.rewritten import (
    model_and_probe,
)


@pytest.mark.parametrize("cells", [7, 14, 10])
def test_slices_are_the_references_windows(cells: int) -> None:
    torch.manual_seed(0)
    model, probe = model_and_probe("efficientvit_m0", (224, 224))
    with torch.no_grad():
        mixer, seen = next(iter(captured_inputs(model, LocalWindowAttention, probe).items()))
    x = torch.randn(2, seen.shape[1], cells, cells)
    parent = nn.Sequential(mixer)
    with torch.no_grad():
        expected = parent(x)
        assert rewrite_windows(parent, x) == 1
        assert isinstance(parent[0], SlicedWindowAttention)
        assert relative_error(parent(x), expected) < 1e-5
        assert relative_error(parent(x.flip(2)), expected) > 1e-2
