"""M's attention for fp16."""

from __future__ import annotations

import numpy as np
import torch

from evit_mobile.rewrites import rewrite, rewrite_for_half
from evit_mobile.rewrites.half_cascaded_attention import HalfHead
from tests.evit_mobile.rewrites.rewritten import (
    FP16_MAX,
    random_model,
)


def test_scores_beyond_fp16_still_give_a_distribution() -> None:
    probe = torch.randn(2, 3, 96, 96)
    half, _ = rewrite_for_half(rewrite(random_model("efficientvit_m0", (96, 96)), probe)[0], probe)
    head = next(module for module in half.modules() if isinstance(module, HalfHead))
    q = torch.full((1, 16, 4), 300.0)
    k = torch.tensor([300.0, -300.0, 0.5, 0.0]).expand(1, 16, 4)
    assert float((q.transpose(1, 2) @ k).abs().max()) > FP16_MAX
    weights = head.scores(q, k).softmax(-1)
    assert np.allclose(weights[0, 0], [1, 0, 0, 0])
    assert torch.isfinite(head.half().scores(q.half(), k.half())).all()
