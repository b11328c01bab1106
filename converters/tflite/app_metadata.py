"""TensorFlow Lite's model metadata, by which apps' own libraries (MediaPipe Tasks, ML Kit, Android Studio) take a file as it is.

The format: a flatbuffer in the file's buffer `TFLITE_METADATA`, and the files that it names in a zip archive behind the model, which any
unzip finds (tensorflow/tflite-support, tensorflow_lite_support/metadata/metadata_schema.fbs, version 1.1.0). That schema's readers are
not in the packages that this project has, so its few tables are written by their slot numbers.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from converters.contract import Metadata
from converters.interface import INPUT, PROBABILITIES
from converters.tflite.graph import DataType, Graph

NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"
"""The oldest parser of the schema that knows every field written here."""

LABELS = "labels.txt"
AXIS_LABELS, RGB = 2, 1
FEATURE, IMAGE, NORMALIZATION = 1, 2, 1
"""Members of the schema's enums and unions."""

ARCHIVE_TIME = (1980, 1, 1, 0, 0, 0)
"""The first that a zip archive can hold: the same model gives the same bytes."""

INPUTS = {
    DataType.UINT8: "RGB image, 8 bits a channel; the model normalises it",
    DataType.FLOAT32: "Preprocessed RGB image",
    DataType.INT8: "Preprocessed RGB image, quantized",
}


def app_metadata(graph: Graph, metadata: Metadata, output: str) -> bytes:
    """The flatbuffer that describes the input and output of `graph`; the latter is called `output`."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 10)
    subgraph = _table(
        builder,
        7,
        {2: _vector(builder, [_input(builder, graph)]), 3: _vector(builder, [_output(builder, metadata, output)])},
    )
    texts = {1: metadata.description, 2: metadata.version, 4: metadata.author, 5: metadata.license, 7: PARSER_VERSION}
    fields = {slot: builder.CreateString(text) for slot, text in texts.items() if text}
    builder.Finish(_table(builder, 8, {3: _vector(builder, [subgraph]), **fields}), IDENTIFIER)
    return bytes(builder.Output())


def with_labels(content: bytes, labels: Sequence[str]) -> bytes:
    """The file with an archive of its labels behind it, one a line; as it is without labels. A break inside a label, which would give every
    later class the name of another, becomes a space.
    """
    if not labels:
        return content
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        lines = "".join(f"{' '.join(label.splitlines())}\n" for label in labels)
        archive.writestr(zipfile.ZipInfo(LABELS, ARCHIVE_TIME), lines)
    return file.getvalue()


def stored_labels(content: bytes) -> tuple[str, ...]:
    """What `with_labels` put behind a file; nothing where there is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return tuple(archive.read(LABELS).decode().splitlines())
    except (zipfile.BadZipFile, KeyError):
        return ()


def _input(builder: Any, graph: Graph) -> int:
    """TensorMetadata of the image. A library that normalises by itself divides by 255 and multiplies again by the tensor's scale."""
    (tensor,) = graph.inputs
    content = _table(builder, 3, {1: _table(builder, 2, {}, {0: RGB})}, {0: IMAGE})
    fields = {0: builder.CreateString(INPUT), 1: builder.CreateString(INPUTS[tensor.dtype]), 3: content}
    if tensor.dtype is DataType.UINT8:
        options = _table(builder, 2, {0: _floats(builder, [0.0]), 1: _floats(builder, [255.0])})
        fields[4] = _vector(builder, [_table(builder, 2, {1: options}, {0: NORMALIZATION})])
        fields[5] = _table(builder, 2, {0: _floats(builder, [1.0]), 1: _floats(builder, [0.0])})
    return _table(builder, 7, fields)


def _output(builder: Any, metadata: Metadata, output: str) -> int:
    """TensorMetadata of the scores or probabilities, with the labels of their axis."""
    content = _table(builder, 3, {1: _table(builder, 0, {})}, {0: FEATURE})
    meaning = "Probability of each class" if output == PROBABILITIES else "Score of each class before softmax"
    fields = {0: builder.CreateString(output), 1: builder.CreateString(meaning), 3: content}
    if metadata.labels:
        texts = {0: builder.CreateString(LABELS), 1: builder.CreateString("Names of the classes, one a line")}
        fields[6] = _vector(builder, [_table(builder, 4, texts, {2: AXIS_LABELS})])
    return _table(builder, 7, fields)


def _table(builder: Any, slots: int, offsets: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
    """A table with so many slots; `offsets` are of strings, vectors and tables, `bytes_` of enums and of unions' types."""
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, value in (bytes_ or {}).items():
        builder.PrependUint8Slot(slot, value, 0)
    table: int = builder.EndObject()
    return table


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    vector: int = builder.EndVector()
    return vector


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    vector: int = builder.EndVector()
    return vector
