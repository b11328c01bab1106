"""Names in narrow columns: whole, over several lines where they have to be, broken behind their joints and not within words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

PART = re.compile(r"[^\s._/-]*[\s._/-]+|[^\s._/-]+")
"""A word and the joint behind it."""


@dataclass(frozen=True, slots=True)
class Name:
    """A renderable for a cell: "executorch-coreml int8-palette4" in 12 columns is "executorch-", "coreml int8-" and "palette4"."""

    text: str

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max((len(part.rstrip()) for part in PART.findall(self.text)), default=0)
        return Measurement(widest, len(self.text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(wrapped(self.text, options.max_width)), overflow="fold")


def wrapped(text: str, width: int) -> Iterator[str]:
    """`text` in lines of at most `width` columns, where its words allow that."""
    line = ""
    for part in PART.findall(text):
        if line and len(line + part.rstrip()) > width:
            yield line.rstrip()
            line = ""
        line += part
    yield line.rstrip()
