"""Batch norms are folded, all of them, or refused."""

from __future__ import annotations

import pytest
from torch import nn

from evit_mobile.errors import RewriteError
from evit_mobile.rewrites import rewrite
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm
from tests.evit_mobile.rewrites.rewritten import SLIM_L1, model_and_probe


def test_no_batch_norm_is_left() -> None:
    for name in ("efficientvit_m0", "efficientvit_b0", SLIM_L1):
        rewritten, _ = rewrite(*model_and_probe(name))
        assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in rewritten.modules())


def test_a_batch_norm_without_a_rule_is_an_error() -> None:
    model, probe = model_and_probe("efficientvit_m0")
    model.stray = nn.BatchNorm2d(3)
    with pytest.raises(RewriteError, match="stray"):
        fold_batch_norm(model, probe)
