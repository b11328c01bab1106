from __future__ import annotations

import pytest
import torch

from benchmarks.description import RIVALS
from benchmarks.rivals import SIZE, count_macs, deployable, rival
from evit_mobile.rewrites.apply import MAX_RELATIVE_ERROR, relative_error

PUBLISHED_MACS = {"mobilenetv3_large_100": 219e6, "deit_tiny_patch16_224": 1.26e9}


@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_the_deployable_form_is_the_same_function(name: str) -> None:
    model = rival(name)
    probe = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(probe)
        assert relative_error(expected[:1], expected[1:]) > 0.05  # it is not blind to its input
        assert relative_error(deployable(model)(probe), expected) < MAX_RELATIVE_ERROR
    assert not any(getattr(module, "inplace", False) for module in deployable(model).modules())
    assert count_macs(model) == pytest.approx(PUBLISHED_MACS[name], rel=0.02)
