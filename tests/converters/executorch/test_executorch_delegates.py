"""Files of other delegates than XNNPACK are told by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.registry import DELEGATED, find_target, target_of
from evit_mobile.errors import UsageError
from evit_mobile.request.checks import with_delegate


def test_names_lead_to_the_delegates() -> None:
    for name in (name for name in DELEGATED if name.startswith("executorch-")):
        target = find_target(name)
        assert target.missing() is None or name == "executorch-vgf"  # whose packages `make test-gpu` installs
        assert target_of(Path(f"model.int8{target.suffix}")) == target.name == name
    assert target_of(Path("model.int8.pte")) == "executorch"
    assert target_of(Path("model.caffemodel")) is None
    assert with_delegate(["tflite", "executorch"], "coreml") == ["tflite", "executorch-coreml"]
    for formats, delegate in ((["tflite"], "coreml"), (["executorch"], "qnn")):
        with pytest.raises(UsageError, match=delegate):
            with_delegate(formats, delegate)
