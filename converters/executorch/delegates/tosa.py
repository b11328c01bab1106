"""What a VGF delegate computes: TOSA operations in the SPIR-V modules of its bytes.

A module is a header of five words and instructions, each led by a word of its length in words (upper half) and its code (lower half);
one that calls an extended set names the set's id and the operation's number (SPIR-V specification, 2.3 "Physical Layout").
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator

OPERATIONS = (
    *("ARGMAX", "AVG_POOL2D", "CONV2D", "CONV3D", "DEPTHWISE_CONV2D", "FFT2D", "MATMUL", "MAX_POOL2D", "RFFT2D"),
    *("TRANSPOSE_CONV2D", "CLAMP", "ERF", "SIGMOID", "TANH", "ADD", "ARITHMETIC_RIGHT_SHIFT", "BITWISE_AND"),
    *("BITWISE_OR", "BITWISE_XOR", "INTDIV", "LOGICAL_AND", "LOGICAL_LEFT_SHIFT", "LOGICAL_RIGHT_SHIFT", "LOGICAL_OR"),
    *("LOGICAL_XOR", "MAXIMUM", "MINIMUM", "MUL", "POW", "SUB", "TABLE", "ABS", "BITWISE_NOT", "CEIL", "CLZ", "COS"),
    *("EXP", "FLOOR", "LOG", "LOGICAL_NOT", "NEGATE", "RECIPROCAL", "RSQRT", "SIN", "SELECT", "EQUAL", "GREATER"),
    *("GREATER_EQUAL", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PRODUCT", "REDUCE_SUM"),
    *("CONCAT", "PAD", "RESHAPE", "REVERSE", "SLICE", "TILE", "TRANSPOSE", "GATHER", "SCATTER", "RESIZE", "CAST"),
    "RESCALE",
)
"""By number (KhronosGroup/SPIRV-Headers, include/spirv/unified1/TOSA.001000.1.h)."""

SET = b"TOSA."
MAGIC = struct.pack("<I", 0x07230203)
WORD, HEADER = 4, 20
"""Bytes."""
IMPORT_SET, CALL_SET = 11, 12
"""OpExtInstImport (result, name) and OpExtInst (type, result, set, operation ...)."""


def operations(content: bytes) -> Counter[str]:
    """The TOSA operations of all modules in a delegate's bytes, by name."""
    found: Counter[str] = Counter()
    for start in modules(content):
        sets: set[bytes] = set()
        for code, operands in instructions(content, start + HEADER):
            if code == IMPORT_SET and operands[WORD:].startswith(SET):
                sets.add(operands[:WORD])
            elif code == CALL_SET and operands[2 * WORD : 3 * WORD] in sets:
                (number,) = struct.unpack_from("<I", operands, 3 * WORD)
                found[OPERATIONS[number] if number < len(OPERATIONS) else f"TOSA {number}"] += 1
    return found


def modules(content: bytes) -> Iterator[int]:
    """Where the modules begin."""
    start = content.find(MAGIC)
    while start >= 0:
        yield start
        start = content.find(MAGIC, start + WORD)


def instructions(content: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """(code, operands) from `place` on, up to what is no instruction."""
    while place + WORD <= len(content):
        (head,) = struct.unpack_from("<I", content, place)
        end = place + WORD * (head >> 16)
        if not place < end <= len(content):
            return
        yield head & 0xFFFF, content[place + WORD : end]
        place = end
