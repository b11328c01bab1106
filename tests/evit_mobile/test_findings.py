"""What was found out about artefacts: the verdict of several judges is the worst, and no reason is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from evit_mobile.findings import Protection, Validation, Verdict, failed, not_run, verdict_of_all

PASSED = Validation(verdict=Verdict.PASSED, reason="met", images=4, runtime="a", sqnr_db=30.0, on="first")
FAILED = replace(PASSED, verdict=Verdict.FAILED, reason="SQNR", on="second")
NOT_RUN = Validation(verdict=Verdict.NOT_RUN, reason="no device", images=0, runtime="b", on="third")


def test_the_verdict_is_that_of_all() -> None:
    assert verdict_of_all([PASSED]) is PASSED
    assert verdict_of_all([PASSED, replace(PASSED, on="second")]) is PASSED
    assert verdict_of_all([NOT_RUN]) is NOT_RUN
    failed = verdict_of_all([PASSED, FAILED, NOT_RUN])
    assert (failed.verdict, failed.sqnr_db) == (Verdict.FAILED, 30.0)
    assert failed.reason == "second: SQNR; third: no device"
    assert verdict_of_all([PASSED, NOT_RUN]).verdict is Verdict.NOT_RUN
    assert verdict_of_all([FAILED, PASSED]).reason == "SQNR"


@pytest.mark.parametrize(("make", "verdict"), [(not_run, Verdict.NOT_RUN), (failed, Verdict.FAILED)])
def test_what_ran_on_no_image_has_no_figures(make: Callable[[str, str], Validation], verdict: Verdict) -> None:
    found = make("a runtime", "it says why")
    assert (found.verdict, found.runtime, found.reason, found.images) == (verdict, "a runtime", "it says why", 0)
    assert found.sqnr_db is found.top1_agreement is found.top1_artefact is None
    assert (found.hops, found.on) == ((), "")


def test_the_figures_stay_those_of_the_first_judge() -> None:
    found = verdict_of_all([NOT_RUN, PASSED])
    assert (found.verdict, found.reason, found.sqnr_db, found.on) == (Verdict.NOT_RUN, "no device", None, "third")
    assert verdict_of_all([NOT_RUN, FAILED]).reason == "no device; second: SQNR"


def test_what_is_protected_has_an_order_and_is_looked_up() -> None:
    found = Protection(modules=("head", "stem"), latency_ratio=1.1)
    assert found.protected == {"stem", "head"}
    assert Protection() == Protection(modules=(), latency_ratio=1.0)
    assert Protection().protected == frozenset()
