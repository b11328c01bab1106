"""The .mlpackage folder on disk: written reproducibly, and checked member by member before anything else reads it.

    Manifest.json                             which member is the model
    Data/com.apple.CoreML/model.mlmodel       the specification, a protobuf (coremltools/proto/Model.proto)
    Data/com.apple.CoreML/weights/weight.bin  tensors of more than INLINE elements, each behind a header of its own

weight.bin is coremltools' MILBlob storage, version 2 (mlmodel/src/MILBlob/Blob/StorageFormat.hpp): a 64-byte file
header, then blobs, each with a 64-byte header: a sentinel, the element type, the size in bytes, the data's offset.
"""

from __future__ import annotations

import json
import math
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters.coreml import toolchain
from converters.errors import ArtefactError
from converters.interface import Normalization

AUTHOR = "com.apple.CoreML"
MODEL, WEIGHTS = f"{AUTHOR}/model.mlmodel", f"{AUTHOR}/weights"
DESCRIPTIONS = {MODEL: "CoreML Model Specification", WEIGHTS: "CoreML Model Weights"}
FUNCTION = "main"
BUILD_DATE = "com.github.apple.coremltools.conversion_date"

INLINE = 16
"""Elements of the largest tensor that is written into the program. In weight.bin it would take a header, padding and its address, some
140 bytes; and Xcode's compiled form, which spells such elements out, is no longer up to here either.
"""

BLOB_SENTINEL = 0xDEADBEEF
BLOB_HEADER = struct.Struct("<IIQQ")  # sentinel, element type, size in bytes, offset of the data
BLOB_TYPES = {
    "FLOAT16": (1, 16),
    "FLOAT32": (2, 32),
    "UINT8": (3, 8),
    "INT8": (4, 8),
    "INT16": (6, 16),
    "UINT16": (7, 16),
    "INT4": (8, 4),
    "UINT1": (9, 1),
    "UINT2": (10, 2),
    "UINT4": (11, 4),
    "UINT3": (12, 3),
    "UINT6": (13, 6),
    "INT32": (14, 32),
    "UINT32": (15, 32),
}
"""MIL data type -> (element type in a blob's header, bits per element)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package whose members are present and agree with each other. `specification` is a Model protobuf."""

    path: Path
    specification: Any
    model: Path
    weights: Path

    @property
    def descriptions(self) -> dict[str, Any]:
        """What is said of every function's inputs and outputs, the default function first. A package may have several from
        iOS 18 on; before, or with one, that is the description itself.
        """
        description = self.specification.description
        if not description.functions:
            return {FUNCTION: description}
        default = description.defaultFunctionName
        functions = sorted(description.functions, key=lambda function: function.name != default)
        return {function.name: function for function in functions}


def make_reproducible(path: Path) -> None:
    """Rewrites what coremltools draws at random or takes from the clock: identifiers, build date, map order."""
    model = path / "Data" / MODEL
    specification = _parse(model)
    specification.description.metadata.userDefined.pop(BUILD_DATE, None)
    model.write_bytes(specification.SerializeToString(deterministic=True))
    members = [member for member in DESCRIPTIONS if (path / "Data" / member).exists()]
    identifiers = {member: str(uuid.uuid5(uuid.NAMESPACE_URL, member)) for member in members}
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": {
            identifiers[member]: {
                "author": AUTHOR,
                "description": DESCRIPTIONS[member],
                "name": Path(member).name,
                "path": member,
            }
            for member in members
        },
        "rootModelIdentifier": identifiers[MODEL],
    }
    (path / "Manifest.json").write_text(json.dumps(manifest, indent=4) + "\n", encoding="utf-8")


def read(path: Path) -> Package:
    """The package at `path`, with every member and every weight's header checked. Raises ArtefactError."""
    model = _model_file(path)
    specification = _parse(model)
    if specification.WhichOneof("Type") != "mlProgram":
        raise _damaged(path, f"a model of type {specification.WhichOneof('Type')}", "an ML Program")
    package = Package(path=path, specification=specification, model=model, weights=model.parent / "weights")
    stored = {file.name: file.read_bytes() for file in package.weights.glob("*")}
    for value in _file_values(specification.mlProgram):
        _check_blob(package, value, stored)
    return package


def load_functions(path: Path) -> dict[str, Any]:
    """The MIL functions in the package at `path` by name, the default one first, every operation's types checked.

    Raises ArtefactError.
    """
    members = read(path)
    milproto = toolchain.load("coremltools.converters.mil.frontend.milproto.load")
    specification = members.specification
    try:
        with toolchain.quiet(("coremltools",)):
            program = milproto.load(specification, specification.specificationVersion, str(members.weights))
    except Exception as error:  # coremltools signals a bad program with whatever its checks run into
        raise _damaged(
            path, f"an inconsistent program ({type(error).__name__}: {error})", "operations whose types agree"
        ) from error
    described = members.descriptions
    default = specification.description.defaultFunctionName or FUNCTION
    if sorted(program.functions) != sorted(described) or default not in described:
        raise _damaged(
            path,
            f"a program of {sorted(program.functions)}",
            f"the functions {sorted(described)}, among them {default!r}",
        )
    for name, description in described.items():
        _check_interface(members, name, description)
    return {name: program.functions[name] for name in described}


def load_function(path: Path) -> Any:
    """The default function of the package at `path`, likewise."""
    return next(iter(load_functions(path).values()))


def _check_interface(members: Package, name: str, description: Any) -> None:
    """Compares what is said of function `name` with what it takes and gives. Raises ArtefactError."""
    function = members.specification.mlProgram.functions[name]
    block = function.block_specializations[function.opset]
    made = {output.name: output.type for operation in block.operations for output in operation.outputs}
    taken = {feature.name: feature.type for feature in function.inputs}
    given = {output: made[output] for output in block.outputs if output in made}
    for promised, actual in ((description.input, taken), (description.output, given)):
        names = [feature.name for feature in promised]
        if sorted(names) != sorted(actual):
            raise _damaged(members.path, f"a description of {names}", f"{sorted(actual)}, as in the program")
        for feature in promised:
            _check_type(members.path, feature.name, feature.type, actual[feature.name].tensorType)


def _check_type(path: Path, name: str, described: Any, tensor: Any) -> None:
    """Compares a described array's type and shape, or an image's size, with the program's tensor. Raises ArtefactError."""
    dtype = toolchain.load("coremltools").proto.MIL_pb2.DataType.Name(tensor.dataType)
    shape = tuple(dimension.constant.size for dimension in tensor.dimensions)
    match described.WhichOneof("Type"):
        case "multiArrayType":
            array = described.multiArrayType
            promised = array.ArrayDataType.Name(array.dataType), tuple(array.shape) or shape
        case "imageType":
            promised = dtype, (1, 3, described.imageType.height, described.imageType.width)
        case _:
            return
    if promised != (dtype, shape):
        raise _damaged(path, f"{name} described as {promised}", f"{(dtype, shape)}, as in the program")


def normalization(path: Path) -> Normalization | None:
    """How the package at `path` normalises the image it takes, None where it takes a tensor. Raises ArtefactError."""
    members = read(path)
    kinds = {function.input[0].type.WhichOneof("Type") for function in members.descriptions.values() if function.input}
    if "imageType" not in kinds:
        return None
    if len(kinds) > 1:
        raise _damaged(
            path, "functions of which some take images and some tensors", "the same input for every function"
        )
    written = members.specification.description.metadata.userDefined
    try:
        return Normalization.from_metadata(written)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(
            path, f"an image input without mean and std ({error})", "three numbers each, as metadata"
        ) from error


def _damaged(path: Path, got: str, allowed: str) -> ArtefactError:
    return ArtefactError(got=f"{got} in {path}", allowed=allowed, do="convert again, or copy the whole folder again")


def _model_file(path: Path) -> Path:
    """The specification that Manifest.json points to. Raises ArtefactError unless just the listed members are there."""
    manifest = _manifest(path)
    entries, root = manifest.get("itemInfoEntries"), manifest.get("rootModelIdentifier")
    items = entries if isinstance(entries, dict) else {}
    listed = {key: item.get("path") if isinstance(item, dict) else None for key, item in items.items()}
    model = listed.get(root) if isinstance(root, str) else None
    if model is None:
        raise _damaged(path, "a Manifest.json without a root model", "a rootModelIdentifier among itemInfoEntries")
    data = path / "Data"
    members = [data / str(member) for member in listed.values()]
    for member in members:
        if not member.exists() or not member.resolve().is_relative_to(data.resolve()):
            raise _damaged(path, f"no member {member}", "every member that Manifest.json lists, inside the package")
    for file in data.rglob("*"):
        if file.is_file() and not any(file.is_relative_to(member) for member in members):
            raise _damaged(path, f"a foreign file {file}", "the members that Manifest.json lists")
    return data / str(model)


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "Manifest.json"
    if not file.is_file():
        raise _damaged(path, "no Manifest.json", "an .mlpackage folder")
    try:
        manifest = json.loads(file.read_bytes())
    except ValueError as error:
        raise _damaged(path, f"an unreadable Manifest.json ({error})", "a JSON object") from error
    if not isinstance(manifest, dict):
        raise _damaged(path, f"a Manifest.json that holds a {type(manifest).__name__}", "a JSON object")
    return manifest


def _parse(model: Path) -> Any:
    """The specification in `model`. Raises ArtefactError."""
    proto = toolchain.load("coremltools").proto
    decode_error = toolchain.load("google.protobuf.message").DecodeError
    specification = proto.Model_pb2.Model()
    if not model.is_file():
        raise _damaged(model.parent, f"no file {model.name}", "a specification")
    try:
        specification.ParseFromString(model.read_bytes())
    except decode_error as error:
        raise _damaged(model.parent, f"an unreadable {model.name} ({error})", "a Core ML specification") from error
    return specification


def _file_values(program: Any) -> Iterator[Any]:
    """Every value of `program` that is stored in a weight file."""
    for function in program.functions.values():
        for block in function.block_specializations.values():
            for operation in block.operations:
                bound = (binding.value for argument in operation.inputs.values() for binding in argument.arguments)
                for value in (*operation.attributes.values(), *bound):
                    if value.WhichOneof("value") == "blobFileValue":
                        yield value


def _check_blob(package: Package, value: Any, stored: dict[str, bytes]) -> None:
    """Compares the header of one stored tensor with the type that the program gives it. Raises ArtefactError."""
    name, offset = value.blobFileValue.fileName, value.blobFileValue.offset
    file = name.removeprefix("@model_path/weights/")
    if file not in stored:
        raise _damaged(package.path, f"no weight file {name!r}", "the weight files that the specification names")
    content = stored[file]
    if offset + BLOB_HEADER.size > len(content):
        raise _damaged(package.path, f"{file} of {len(content)} bytes", f"a tensor's header at offset {offset}")
    sentinel, code, size, start = BLOB_HEADER.unpack_from(content, offset)
    expected_code, expected_size = _stored_as(package, value.type.tensorType)
    if (sentinel, code, size) != (BLOB_SENTINEL, expected_code, expected_size):
        raise _damaged(
            package.path,
            f"a tensor header at offset {offset} of {file} with element type {code} and {size} bytes",
            f"element type {expected_code} and {expected_size} bytes",
        )
    if start + size > len(content):
        raise _damaged(package.path, f"{file} cut short at {len(content)} bytes", f"at least {start + size} bytes")


def _stored_as(package: Package, tensor: Any) -> tuple[int, int]:
    """(element type code, bytes) that a tensor of this type takes in a weight file. Raises ArtefactError."""
    names = toolchain.load("coremltools").proto.MIL_pb2.DataType
    dtype = names.Name(tensor.dataType) if tensor.dataType in names.values() else str(tensor.dataType)
    if dtype not in BLOB_TYPES:
        raise _damaged(package.path, f"a stored tensor of type {dtype}", ", ".join(BLOB_TYPES))
    code, bits = BLOB_TYPES[dtype]
    elements = math.prod(dimension.constant.size for dimension in tensor.dimensions)
    return code, math.ceil(elements * bits / 8)
