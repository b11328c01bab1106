"""`evit-mobile sweep` and `best`: what they print, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evit_mobile.sweeps.estimate import BYTES_PER_WEIGHT, Estimator
from evit_mobile.sweeps.plan import SweepPlan
from tests.evit_mobile.sweeps.test_best import record

Run = Callable[..., tuple[int, str, str]]


def test_estimates_follow_the_model_and_what_was_seen(tmp_path: Path) -> None:
    def request(**model: object) -> object:
        return SweepPlan.of({"models": [model], "formats": ["tflite"]}).requests()[0][0]

    small, large = request(model="efficientvit_m0"), request(model="efficientvit_l3", weights="random")
    rule = Estimator()
    assert 0.8e9 < rule.estimate(small).memory_bytes < 1.3e9
    assert 9e9 < rule.estimate(large).memory_bytes < 12e9
    assert rule.estimate(large).seconds > rule.estimate(small).seconds
    seen = replace(record("a"), params=2_300_000, macs=79_000_000, seconds=40.0, peak_bytes=2 * 10**9)
    fitted = Estimator([seen])
    assert fitted.estimate(small).seconds == pytest.approx(40, rel=0.1)
    assert 2e9 < fitted.estimate(small).memory_bytes < 3e9
    file = tmp_path / "own.pth"
    file.write_bytes(b"0" * BYTES_PER_WEIGHT * 1000)
    assert rule.estimate(request(weights=str(file))).memory_bytes == pytest.approx(0.9e9, rel=0.01)


def test_the_functions_are_called_as_the_page_says(tmp_path: Path) -> None:
    """No part of the package has the name of a function of it, which importing that part would hide."""
    import evit_mobile

    plan = {"models": ["efficientvit_m0"], "formats": ["tflite"]}
    for _ in range(2):
        assert not evit_mobile.sweep(plan, out=tmp_path, dry_run=True).proven
    parts = {path.name.removesuffix(".py") for path in Path(evit_mobile.__file__).parent.iterdir()}
    assert not parts & set(evit_mobile.__all__)
