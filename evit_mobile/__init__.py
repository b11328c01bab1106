"""Turns a trained PyTorch EfficientViT into proven Core ML, LiteRT and ExecuTorch artefacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evit_mobile.version import __version__

if TYPE_CHECKING:
    from evit_mobile.commands.convert import Conversion, convert
    from evit_mobile.commands.validate import FolderValidation, validate
    from evit_mobile.request import ConvertRequest

__all__ = ["Conversion", "ConvertRequest", "FolderValidation", "__version__", "convert", "validate"]


def __getattr__(name: str) -> Any:
    """Loads the API on first use, so that `import evit_mobile` needs no torch."""
    if name in ("convert", "Conversion"):
        from evit_mobile.commands import convert as pipeline

        return getattr(pipeline, name)
    if name == "ConvertRequest":
        from evit_mobile.request import ConvertRequest

        return ConvertRequest
    if name in ("validate", "FolderValidation"):
        from evit_mobile.commands import validate as reading

        return getattr(reading, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
