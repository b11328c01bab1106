"""What tests of int8 packages share."""

from __future__ import annotations

import pytest


@pytest.fixture
def every_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the pass that takes codes away where only floats read them (passes/test_float_readers.py), so that PyTorch's
    graph is followed rounding by rounding.
    """
    from converters.coreml import passes

    monkeypatch.setattr(passes, "PASSES", tuple(each for each in passes.PASSES if not each.endswith("float_readers")))
