"""Our own optimisation passes on whole blocks: the exact ones change no result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Precision
from converters.coreml.evaluator import Evaluator
from converters.coreml.lower import COMPUTE
from tests.converters.coreml.coreml_programs import FeedForward, Windows, seeded
from tests.converters.coreml.int8_packages import TAKEN, X, lowered


class TestExactPasses:
    """With float32 between the int8 tensors there is no rounding that could hide a difference."""

    @pytest.mark.parametrize("name", ["integer_movement", "saturated_relu", "constant_sharing", "short_names"])
    @torch.no_grad()
    def test_results_do_not_change(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(COMPUTE, Precision.INT8, np.float32)
        block = seeded(lambda: nn.Sequential(FeedForward(6), Windows(6), nn.ReLU(), nn.Conv2d(6, 6, 1)))
        results = []
        for without in (name, None):
            path = tmp_path / f"{without}.mlpackage"
            lowered(block, path, without, TAKEN)
            results.append(Evaluator(path)(X.numpy()))
        np.testing.assert_array_equal(*results)
        assert np.unique(results[0]).size > 30
