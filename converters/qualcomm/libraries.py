"""Where Qualcomm's libraries for x86-64 are.

They come with the wheel onnxruntime-qnn, under Qualcomm's AI Stack licence, or with the SDK package that LiteRT's documentation
names. Nothing of them is copied.
"""

from __future__ import annotations

import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

WHEELS = ("onnxruntime", "onnxruntime_qnn", "onnx")
SDK = "ai_edge_litert_sdk_qualcomm"
ABSENT = "libQnnLpai.so"
"""LiteRT's plugin is linked against it and calls nothing in it for Hexagon's HTP; the wheel has it not."""
HOW = "run pip install 'evit-mobile[qualcomm]', which accepts Qualcomm's AI Stack licence"


def missing() -> str | None:
    """None where files can be compiled and run in the emulator here, else what is missing and how to get it."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "Qualcomm's compiler and emulator run on Linux on x86-64 only: run it there"
    lacking = [name.replace("_", "-") for name in WHEELS if find_spec(name) is None]
    return f"{', '.join(lacking)} not installed: {HOW}" if lacking else None


def wheel() -> Path:
    """The folder of the wheel's libraries."""
    spec = find_spec("onnxruntime_qnn")
    assert spec is not None, "missing() was not asked"
    assert spec.origin is not None
    return Path(spec.origin).parent


@contextmanager
def search_path() -> Iterator[str]:
    """Folders in which LiteRT's plugin finds Qualcomm's libraries, as LD_LIBRARY_PATH has them: the SDK's where it is installed, else the
    wheel's with an empty stand-in for the one that it lacks.
    """
    if find_spec(SDK) is not None:
        yield str(import_module(SDK).path_to_sdk_libs())
        return
    with TemporaryDirectory() as folder:
        Path(folder, ABSENT).write_bytes(empty_library(ABSENT))
        yield os.pathsep.join([folder, str(wheel())])


def empty_library(name: str) -> bytes:
    """A shared library for x86-64 Linux without a symbol in it: the ELF header, two program headers, and the dynamic section with the
    tables that a loader reads (System V ABI, chapters 4 and 5).
    """
    header_bytes, segment_bytes, tag_bytes = 64, 56, 16
    names, hashes, symbol = b"\0" + name.encode() + b"\0", struct.pack("<4I", 1, 1, 0, 0), bytes(24)
    tags_at = header_bytes + 2 * segment_bytes
    hashes_at = tags_at + 7 * tag_bytes
    symbols_at = hashes_at + len(hashes)
    names_at = symbols_at + len(symbol)
    tags = {
        "SONAME": (14, 1),
        "HASH": (4, hashes_at),
        "STRTAB": (5, names_at),
        "SYMTAB": (6, symbols_at),
        "STRSZ": (10, len(names)),
        "SYMENT": (11, len(symbol)),
        "NULL": (0, 0),
    }
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags.values())
    body = dynamic + hashes + symbol + names
    shared, x86_64, load, dynamic_segment = 3, 62, 1, 2
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    sizes = (header_bytes, segment_bytes, 2, 0, 0, 0)
    header = identity + struct.pack("<HHIQQQIHHHHHH", shared, x86_64, 1, 0, header_bytes, 0, 0, *sizes)
    segments = _segment(load, 0, tags_at + len(body), 0x1000) + _segment(dynamic_segment, tags_at, len(dynamic), 8)
    return header + segments + body


def _segment(kind: int, offset: int, size: int, alignment: int) -> bytes:
    """A program header: bytes of the file that lie in memory as they lie there, to be read and written."""
    return struct.pack("<IIQQQQQQ", kind, 6, offset, offset, offset, size, size, alignment)
