"""The SoCs that files can be compiled for.

Numbers and architectures: `QcomChipset` and `HtpInfo` of ExecuTorch 1.4.1, backends/qualcomm/serialization/qc_schema.py. The list is that
of LiteRT 2.3.0's compiler, ai_edge_litert/aot/vendors/qualcomm/target.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converters.errors import UnknownSocError


@dataclass(frozen=True, slots=True, kw_only=True)
class Soc:
    """A chip by the name that Qualcomm and Android's `ro.soc.model` give it. `number` is QNN's, `architecture` that of its Hexagon."""

    name: str
    number: int
    architecture: int
    known_as: str

    def format_of(self, portable: str) -> str:
        """The name of the format of files that are compiled for it from those of a portable format."""
        return f"{portable}-{self.name.lower()}"

    @property
    def hexagon(self) -> str:
        """Its NPU, in words."""
        return f"Hexagon v{self.architecture} of {self.name}"

    @property
    def emulator(self) -> str:
        """What its binaries run on here, in words that claim no more."""
        return f"Qualcomm's HTP emulator for {self.name} on x86-64"


SOCS = {
    soc.name: soc
    for soc in (
        Soc(name="SM8350", number=30, architecture=68, known_as="Snapdragon 888"),
        Soc(name="SM8450", number=36, architecture=69, known_as="Snapdragon 8 Gen 1"),
        Soc(name="SM8475", number=42, architecture=69, known_as="Snapdragon 8+ Gen 1"),
        Soc(name="SM8550", number=43, architecture=73, known_as="Snapdragon 8 Gen 2"),
        Soc(name="SM8650", number=57, architecture=75, known_as="Snapdragon 8 Gen 3"),
        Soc(name="SM8750", number=69, architecture=79, known_as="Snapdragon 8 Elite"),
        Soc(name="SM8845", number=97, architecture=81, known_as="Snapdragon 8 Gen 5"),
        Soc(name="SM8850", number=87, architecture=81, known_as="Snapdragon 8 Elite Gen 5"),
        Soc(name="SA8255", number=52, architecture=73, known_as="Snapdragon Ride"),
        Soc(name="SA8295", number=39, architecture=68, known_as="Snapdragon Cockpit"),
    )
}
USUAL = ("SM8550", "SM8650", "SM8750", "SM8850")
"""One of each architecture from v73 on: phones from 2023 to 2026."""


def find_soc(name: str) -> Soc:
    """The SoC called `name`, in any case. Raises UnknownSocError."""
    soc = SOCS.get(name.upper())
    if soc is None:
        raise UnknownSocError(
            got=f"SoC {name!r}",
            allowed="; ".join(f"{known.name} ({known.known_as}, v{known.architecture})" for known in SOCS.values()),
            do="name one of these; `adb shell getprop ro.soc.model` says a phone's",
        )
    return soc


def find_socs(names: Sequence[str]) -> tuple[Soc, ...]:
    """Each of them once, in this order. Raises UnknownSocError."""
    return tuple(dict.fromkeys(find_soc(name) for name in names))
