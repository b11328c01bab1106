"""File names that count as images, those that are read and those that are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

READ = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".bmp",
        ".gif",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".avif",
        ".jp2",
    }
)
"""What Pillow reads."""
HEIF = frozenset({".heic", ".heif", ".hif"})
"""What phones write; read where pillow-heif is installed."""
RAW = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".srw", ".x3f"}
)
"""What cameras write before development."""
OTHERS = frozenset(
    {
        ".apng",
        ".bpg",
        ".dcm",
        ".dds",
        ".emf",
        ".eps",
        ".exr",
        ".hdr",
        ".heics",
        ".icns",
        ".ico",
        ".j2k",
        ".jpf",
        ".jpx",
        ".jxl",
        ".jxr",
        ".pbm",
        ".pcx",
        ".pnm",
        ".psd",
        ".svg",
        ".tga",
        ".xcf",
    }
)
HEIF_PACKAGE = "pillow_heif"
HEIF_EXTRA = "pip install 'evit-mobile[heif]'"


def readable() -> frozenset[str]:
    """Suffixes, in lower case, of the files that are read here."""
    return READ | HEIF if find_spec(HEIF_PACKAGE) is not None else READ


def unread_note(paths: Iterable[Path]) -> str | None:
    """How many of the files look like images and are not read, of which kinds, and what to do; None where there are none."""
    suffixes = (path.suffix.lower() for path in paths if not path.name.startswith("."))
    counts = Counter(suffix for suffix in suffixes if suffix in (HEIF | RAW | OTHERS) - readable())
    if not counts:
        return None
    kinds = ", ".join(suffix.removeprefix(".").upper() for suffix, _ in counts.most_common())
    files = (
        "1 file that looks like an image was"
        if counts.total() == 1
        else f"{counts.total()} files that look like images were"
    )
    remedy = HEIF_EXTRA if set(counts) <= HEIF else "convert them to JPEG or PNG"
    return f"{files} not read: {kinds}; {remedy}"
