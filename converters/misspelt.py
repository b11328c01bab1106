"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "name one of these") -> str:
    """What to do about a name that there is not: `otherwise`, and the one that it is a part of, or nearest to, where there is one."""
    names, spelled = list(known), name.lower().replace(" ", "")
    near = [one for one in names if one == spelled.partition(".")[0] or one.endswith(f"_{spelled}")]
    near = near or get_close_matches(spelled, names, n=1)
    return f"{otherwise}; did you mean {near[0]}?" if near else otherwise
