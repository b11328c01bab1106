"""What other settings of a runtime show becomes part of the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from converters.contract import SettingsRun
from evit_mobile.findings import Validation, Verdict
from evit_mobile.validation.settings import IMAGES, with_settings

PASSED = Validation(verdict=Verdict.PASSED, reason="all thresholds met", images=256, runtime="a runtime")
FAILED = replace(PASSED, verdict=Verdict.FAILED, reason="SQNR too low")


def judged(validation: Validation, found: SettingsRun | None) -> Validation:
    target: Any = SimpleNamespace(run_with_settings=lambda _path, images: found if len(images) == IMAGES else None)
    held_out: Any = SimpleNamespace(first=lambda count: np.zeros((count, 3, 8, 8), np.float32))
    return with_settings(validation, target, Path("model.pte"), held_out)


def test_a_runtime_without_such_settings_changes_nothing() -> None:
    assert judged(PASSED, None) is PASSED


def test_what_was_run_is_named() -> None:
    assert judged(PASSED, SettingsRun(words="another setting")) == replace(
        PASSED, runtime="a runtime (another setting)"
    )


@pytest.mark.parametrize(("before", "reason"), [(PASSED, "it crashes"), (FAILED, "SQNR too low; it crashes")])
def test_a_fault_fails(before: Validation, reason: str) -> None:
    found = judged(before, SettingsRun(words="another setting", fault="it crashes"))
    assert (found.verdict, found.reason) == (Verdict.FAILED, reason)
