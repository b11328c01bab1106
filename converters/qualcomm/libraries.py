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
    header_bytes, program_bytes, entry_bytes, entries = 64, 56, 16, 7
    names = b"\0" + name.encode() + b"\0"
    hashes, symbol = struct.pack("<4I", 1, 1, 0, 0), bytes(24)
    dynamic = header_bytes + 2 * program_bytes
    hashes_at = dynamic + entry_bytes * entries
    symbols_at = hashes_at + len(hashes)
    names_at = symbols_at + len(symbol)
    size = names_at + len(names)
    soname, hash_table, string_table, symbol_table, string_bytes, symbol_bytes, end = 14, 4, 5, 6, 10, 11, 0
    tags = {
        soname: 1,
        hash_table: hashes_at,
        string_table: names_at,
        symbol_table: symbols_at,
        string_bytes: len(names),
        symbol_bytes: len(symbol),
        end: 0,
    }
    load, dynamic_segment, read_write = 1, 2, 6
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    shared, x86_64 = 3, 62
    return b"".join(
        [
            identity,
            struct.pack(
                "<HHIQQQIHHHHHH", shared, x86_64, 1, 0, header_bytes, 0, 0, header_bytes, program_bytes, 2, 0, 0, 0
            ),
            struct.pack("<IIQQQQQQ", load, read_write, 0, 0, 0, size, size, 0x1000),
            struct.pack(
                "<IIQQQQQQ",
                dynamic_segment,
                read_write,
                dynamic,
                dynamic,
                dynamic,
                entry_bytes * entries,
                entry_bytes * entries,
                8,
            ),
            *(struct.pack("<qQ", tag, value) for tag, value in tags.items()),
            hashes,
            symbol,
            names,
        ]
    )
