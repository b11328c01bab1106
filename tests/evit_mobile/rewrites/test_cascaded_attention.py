"""M's attention in a form without dynamic shapes."""

from __future__ import annotations

import torch

from evit_mobile.models.msra import CascadedGroupAttention, LocalWindowAttention
from evit_mobile.rewrites import rewrite
from tests.evit_mobile.rewrites.rewritten import (
    calls,
    model_and_probe,
)


def test_m_attention_becomes_static() -> None:
    rewritten, probe = rewrite(*model_and_probe("efficientvit_m0", (224, 224)))[0], torch.zeros(1, 3, 224, 224)
    assert not any(isinstance(m, CascadedGroupAttention | LocalWindowAttention) for m in rewritten.modules())
    found = calls(rewritten, probe)
    for gone in ("split", "chunk", "index", "permute", "expand", "batch_norm"):
        assert not any(gone in str(node.target) for node in found), gone
    assert max(len(node.meta["val"].shape) for node in found) == 4
