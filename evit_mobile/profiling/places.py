"""The places that artefacts are measured at, a row each. A place's module is imported when it is asked for.

A new place is a row of PLACES and a module with the function that the row spells; `--on`, its help and its refusal follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from converters.misspelt import did_you_mean
from evit_mobile.errors import UsageError

if TYPE_CHECKING:
    from evit_mobile.profiling.measured import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`name` and what follows it are how `--on` names the place: ":FILE" has to follow, "[:SERIAL]" may. `measure` spells the function
    that measures there, "module:function".
    """

    name: str
    following: str = ""
    measure: str

    @property
    def form(self) -> str:
        return self.name + self.following

    def takes(self, argument: str) -> bool:
        """Whether `argument` may follow the name."""
        return bool(argument) if self.following.startswith(":") else bool(self.following) or not argument


PLACES = (
    Place(name="host", measure="evit_mobile.profiling.host:measured"),
    Place(name="adb", following="[:SERIAL]", measure="evit_mobile.profiling.adb:measured"),
    Place(name="android-app", following="[:SERIAL]", measure="evit_mobile.profiling.android_app:measured"),
    Place(name="ssh", following=":USER@HOST", measure="evit_mobile.profiling.ssh:measured"),
    Place(name="ios-report", following=":FILE", measure="evit_mobile.profiling.app_report:measured"),
    Place(name="android-report", following=":FILE", measure="evit_mobile.profiling.app_report:measured"),
    Place(name="web-report", following=":FILE", measure="evit_mobile.profiling.app_report:measured"),
)
FORMS = ", ".join(place.form for place in PLACES)


def find_place(on: str) -> tuple[Measure, str]:
    """What measures at the place that `--on` names, and what follows the name there. Raises UsageError."""
    name, _, argument = on.partition(":")
    for place in PLACES:
        if place.name == name and place.takes(argument):
            module, function = place.measure.split(":")
            measure: Measure = getattr(import_module(module), function)
            return measure, argument
    do = did_you_mean(name, [place.name for place in PLACES], "name one of these")
    raise UsageError(got=f"--on {on}", allowed=FORMS, do=do)
