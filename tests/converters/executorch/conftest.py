"""A file with every kind of thing in it, which several tests read."""

from __future__ import annotations

import pytest
import torch

from tests.converters.executorch.executorch_helpers import content
from tests.converters.executorch.small_model import IMAGE, Small
from tests.lowering_helpers import export


@pytest.fixture(scope="session")
def small() -> bytes:
    torch.manual_seed(0)
    return content(export(Small(), torch.randn(IMAGE)))
