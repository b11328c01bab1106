"""What is read from a VGF delegate's bytes."""

from __future__ import annotations

import struct

from converters.executorch.delegates import tosa


def instruction(code: int, *words: int, text: bytes = b"") -> bytes:
    body = struct.pack(f"<{len(words)}I", *words) + text.ljust(-(-len(text) // 4) * 4, b"\0")
    return struct.pack("<I", (len(body) // 4 + 1) << 16 | code) + body


def module(*called: int) -> bytes:
    """A SPIR-V module that calls operations of the TOSA set, and one of another."""
    header = tosa.MAGIC + struct.pack("<4I", 66816, 0, 100, 0)
    sets = instruction(11, 7, text=b"TOSA.001000.1\0") + instruction(11, 8, text=b"Other\0")
    calls = b"".join(instruction(12, 1, 20 + place, 7, number, 3) for place, number in enumerate(called))
    return header + sets + calls + instruction(12, 1, 50, 8, 2)


def test_the_operations_of_all_modules_are_counted_by_name() -> None:
    content = b"VGF1" + bytes(12) + module(2, 2, 10, 65) + bytes(8) + module(6, 99)
    assert tosa.operations(content) == {"CONV2D": 2, "CLAMP": 1, "RESCALE": 1, "MATMUL": 1, "TOSA 99": 1}
    assert tosa.operations(b"nothing") == {}
    assert tosa.operations(module(2, 2)[:-36]) == {"CONV2D": 1}, "a module that breaks off"


def test_a_module_begins_wherever_its_first_word_is() -> None:
    content = b"?" + module(2) + b"??" + module(6)
    assert list(tosa.modules(content)) == [1, 1 + len(module(2)) + 2]


def test_instructions_end_with_what_is_none() -> None:
    content = instruction(11, 7, text=b"ab") + instruction(12, 1, 2)
    assert list(tosa.instructions(content, 0)) == [
        (11, struct.pack("<I", 7) + b"ab\0\0"),
        (12, struct.pack("<2I", 1, 2)),
    ]
    assert list(tosa.instructions(content + bytes(4), 0)) == list(tosa.instructions(content, 0)), "of no length"
    longer = content + struct.pack("<I", 3 << 16 | 12)
    assert list(tosa.instructions(longer, 0)) == list(tosa.instructions(content, 0)), "longer than the bytes"
