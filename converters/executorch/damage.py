"""The error for a .pte file that is not what was written."""

from __future__ import annotations

from converters.errors import ArtefactError


def damaged(got: str) -> ArtefactError:
    """The error to raise; `got` names what was found."""
    return ArtefactError(got=got, allowed="a .pte file as this tool wrote it", do="convert the model again")
