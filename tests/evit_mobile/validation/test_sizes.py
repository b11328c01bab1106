"""A file of several sizes has the worst of their verdicts, and names the sizes that it is from."""

from __future__ import annotations

from dataclasses import replace

from evit_mobile.findings import SizeValidation, Validation, Verdict
from evit_mobile.validation.sizes import overall, size_validation

SIZES = ((192, 192), (160, 192))


def sized(size: tuple[int, int], verdict: Verdict, reason: str) -> SizeValidation:
    validation = Validation(verdict=verdict, reason=reason, images=1, runtime="r")
    return SizeValidation(size=size, function=f"size_{size[0]}x{size[1]}", validation=validation)


def test_a_file_passes_where_every_size_does() -> None:
    good, bad = sized(SIZES[0], Verdict.PASSED, "met"), sized(SIZES[1], Verdict.FAILED, "SQNR")
    assert overall([good, good]) == good.validation
    assert (overall([good, bad]).verdict, overall([good, bad]).reason) == (Verdict.FAILED, "size_160x192: SQNR")
    assert overall([bad, good]).verdict is Verdict.FAILED
    few = sized(SIZES[0], Verdict.NOT_RUN, "too few")
    assert overall([few, few]).verdict is Verdict.NOT_RUN
    assert overall([few, bad]).verdict is Verdict.FAILED


def test_a_size_is_named_by_height_and_width() -> None:
    validation = sized(SIZES[0], Verdict.PASSED, "met").validation
    found = size_validation((160, 192), validation)
    assert (found.size, found.function, found.validation) == ((160, 192), "size_160x192", validation)


def test_the_figures_stay_those_of_the_usual_size_and_every_fault_is_told() -> None:
    first = sized(SIZES[0], Verdict.FAILED, "SQNR")
    first = replace(first, validation=replace(first.validation, sqnr_db=3.0))
    others = [sized((64, 64), Verdict.NOT_RUN, "too few"), sized((96, 64), Verdict.PASSED, "met")]
    found = overall([first, *others])
    assert (found.verdict, found.sqnr_db, found.reason) == (Verdict.FAILED, 3.0, "SQNR; size_64x64: too few")
    assert overall([first]) == first.validation
