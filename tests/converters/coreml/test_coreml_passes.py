"""Our own optimisation passes on whole blocks: the exact ones change no result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from converters.contract import Precision
from converters.coreml.evaluator import Evaluator
from converters.coreml.lower import COMPUTE
from tests.converters.coreml.coreml_programs import FeedForward, Windows, seeded
from tests.converters.coreml.int8_packages import TAKEN, X, lowered


@torch.no_grad()
def results(without: str | None, folder: Path) -> NDArray[np.float32]:
    """What whole blocks give as a package, written without a pass, or with all. With float32 between the int8 tensors there is no rounding
    that could hide a difference.
    """
    block = seeded(lambda: nn.Sequential(FeedForward(6), Windows(6), nn.ReLU(), nn.Conv2d(6, 6, 1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMPUTE, Precision.INT8, np.float32)
        lowered(block, folder / "p.mlpackage", without, TAKEN)
        return Evaluator(folder / "p.mlpackage")(X.numpy())


@pytest.fixture(scope="module")
def with_all_passes(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float32]:
    return results(None, tmp_path_factory.mktemp("all"))


class TestExactPasses:
    @pytest.mark.parametrize("name", ["integer_movement", "saturated_relu", "constant_sharing", "short_names"])
    def test_results_do_not_change(self, name: str, with_all_passes: NDArray[np.float32], tmp_path: Path) -> None:
        without = results(name, tmp_path)
        np.testing.assert_array_equal(without, with_all_passes)
        assert np.unique(without).size > 30
