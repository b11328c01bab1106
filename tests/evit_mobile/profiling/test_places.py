"""The table of places: every row is found by its form, and what is none is refused with all of them."""

from __future__ import annotations

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.profiling.places import FORMS, PLACES, Place, find_place


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_every_row_names_a_function_and_what_may_follow(place: Place) -> None:
    assert place.form in FORMS
    needed, allowed = place.following.startswith(":"), bool(place.following)
    for on, argument, fits in ((place.name, "", not needed), (f"{place.name}:x:1", "x:1", allowed)):
        if fits:
            measure, found = find_place(on)
            assert (measure.__name__, found) == ("measured", argument)
            assert measure.__module__ == place.measure.partition(":")[0]
        else:
            with pytest.raises(UsageError, match="name one of these"):
                find_place(on)


def test_a_misspelt_place_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean android-report") as refused:
        find_place("androidreport:x.json")
    assert refused.value.allowed == FORMS
