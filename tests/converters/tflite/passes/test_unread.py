"""Operations that nothing reads are left out; those that are read, or that the file gives, stay."""

from __future__ import annotations

from converters.tflite.graph import Graph, Operation
from converters.tflite.passes.unread import without_unread
from tests.converters.tflite.tflite_helpers import stored


def test_what_is_neither_read_nor_given_goes() -> None:
    source, read, given, unread = (stored((2,), name=name) for name in ("x", "read", "given", "unread"))
    steps = [(source, read), (read, given), (read, unread)]
    operations = [Operation(code="RELU", inputs=(one,), output=other, options={}) for one, other in steps]
    graph = without_unread(Graph(inputs=[source], outputs=[given], operations=operations))
    assert graph.operations == operations[:2]
