"""From a weights file to what was saved in it, without running anything the file says and within bounded memory.

Two formats: safetensors, and the zip archive of `torch.save`. Tensors stay mapped from the file; nothing is allocated
before the sizes that the file declares have been compared with the bytes it has.
"""

from __future__ import annotations

import argparse
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from evit_mobile.errors import CheckpointError

STORAGE_ITEM_BYTES = {
    "torch.DoubleStorage": 8,
    "torch.FloatStorage": 4,
    "torch.HalfStorage": 2,
    "torch.BFloat16Storage": 2,
    "torch.LongStorage": 8,
    "torch.IntStorage": 4,
    "torch.ShortStorage": 2,
    "torch.CharStorage": 1,
    "torch.ByteStorage": 1,
    "torch.BoolStorage": 1,
}
HARMLESS_NAMES = {
    *STORAGE_ITEM_BYTES,
    "argparse.Namespace",  # timm's and Microsoft's training scripts keep their arguments in the checkpoint
    "builtins.set",
    "__builtin__.set",
    "collections.OrderedDict",
    "collections.Counter",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor_v2",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.Size",
    *(f"torch.{name}" for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "bool")),
}
"""What a pickle may name. Narrower than `weights_only` of torch.load, which also allows calls that allocate memory of
any size, as in bytearray(10**11)."""

MALFORMED = (
    zipfile.BadZipFile,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What zipfile and pickletools raise for bytes that are not what they seem."""
MAX_HEADER_BYTES = 8 << 20
"""Far more than the pickle of an L3 training checkpoint takes, which is below 1 MiB."""

PROGRAMS = (
    ("/constants.pkl", "a TorchScript program"),
    ("/archive_format", "a program of torch.export"),
)
"""Archives that are no weights, by the end of a name that only they have."""

RESAVE = (
    "in an environment that you trust with this file, load it with torch.load(FILE, weights_only=False) and keep the "
    "weights alone: safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)
FORMATS = "a .safetensors file, or a file written by torch.save of torch 1.6 or later"


def read_file(path: Path) -> object:
    """What was saved in `path`: nested containers whose tensors are mapped from the file.

    Raises CheckpointError for a file that is absent, of another format, damaged, or that needs code to be unpickled.
    """
    head = _first_bytes(path, 8)
    if head.startswith(b"PK\x03\x04"):
        return read_archive(path)
    if path.suffix == ".safetensors" or int.from_bytes(head, "little") <= path.stat().st_size - 8:
        return read_safetensors(path)
    raise CheckpointError(got=f"{path}, {_describe(path, head)}", allowed=FORMATS, do=_advice(head))


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Named tensors of a safetensors file; its reader checks every offset against the shape and the file size."""
    try:
        return safetensors.torch.load_file(path)
    except Exception as error:  # hostile bytes may fail in any way; each of them means that the file is not usable
        raise CheckpointError(
            got=f"{path}, no sound safetensors file: {error}", allowed=FORMATS, do="download or save it again"
        ) from error


def read_archive(path: Path) -> object:
    """What `torch.save` wrote into a zip archive."""
    _check_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            tree: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # as above
        raise CheckpointError(
            got=f"{path}, which torch.load refuses: {_first_line(error)}", allowed=FORMATS, do=RESAVE
        ) from error
    return tree


def _check_archive(path: Path) -> None:
    """Raises CheckpointError unless the archive is whole, names nothing but tensors and plain containers, and holds
    every tensor storage in the size that it declares.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            records = _sound_records(path, archive)
            pickles = [name for name in records if name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise _damaged(path, "it has no data.pkl, so torch.save did not write it")
            scan = scan_pickle(archive.read(pickles[0]))
    except MALFORMED as error:
        raise _damaged(path, _first_line(error)) from error
    unknown = sorted(scan.names - HARMLESS_NAMES)
    if unknown:
        raise CheckpointError(
            got=f"{path}, whose unpickling would call {', '.join(unknown[:4])}",
            allowed="checkpoints of tensors, numbers and text; code in a checkpoint is never run",
            do=RESAVE,
        )
    folder = pickles[0].removesuffix("data.pkl")
    for key, size in scan.storages.items():
        held = records.get(f"{folder}data/{key}")
        if held != size:
            raise _damaged(path, f"tensor storage {key!r} declares {size} bytes and the archive holds {held or 'none'}")


def _sound_records(path: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Bytes of every record by name: none compressed, none twice, all within the file, each with the right checksum."""
    members = archive.infolist()
    program = next((kind for end, kind in PROGRAMS for member in members if member.filename.endswith(end)), None)
    if program is not None:
        raise CheckpointError(
            got=f"{path}, {program}", allowed=FORMATS, do="save the state dict of the module that it was made of"
        )
    records = {member.filename: member.file_size for member in members}
    if len(records) != len(members):
        raise _damaged(path, "two records have the same name")
    if any(m.compress_type != zipfile.ZIP_STORED or m.compress_size != m.file_size for m in members):
        raise _damaged(path, "a record is compressed, which torch.save never does")
    if any(size > MAX_HEADER_BYTES for name, size in records.items() if "/data/" not in name):
        raise _damaged(path, f"a record other than a tensor's is larger than {MAX_HEADER_BYTES} bytes")
    if sum(records.values()) > path.stat().st_size:
        raise _damaged(path, "the records together are larger than the file")
    corrupt = archive.testzip()
    if corrupt is not None:
        raise _damaged(path, f"record {corrupt} does not match its checksum")
    return records


@dataclass(frozen=True, slots=True, kw_only=True)
class PickleScan:
    """What a pickle would import, and the bytes of each tensor storage that it declares, by storage key."""

    names: frozenset[str]
    storages: dict[str, int]


class _Mark:
    """The pickle machine's mark on the stack."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that the pickle would import."""

    path: str


def scan_pickle(pickled: bytes) -> PickleScan:
    """Follows a pickle's opcodes without running them. Raises ValueError, IndexError or KeyError when it is malformed.

    Only what identifies a storage is evaluated: ("storage", storage type, key, device, number of items). Every other
    value is None on the stack.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    names: set[str] = set()
    storages: dict[str, int] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickled):
        match opcode.name:
            case "PROTO" if argument != 2:
                raise ValueError(f"pickle protocol {argument} in place of torch.save's 2")
            case "GLOBAL":
                stack.append(_Name(argument.replace(" ", ".")))
                names.add(stack[-1].path)
            case "INST" | "STACK_GLOBAL" | "EXT1" | "EXT2" | "EXT4":
                raise ValueError(f"pickle opcode {opcode.name}, which torch.save never writes")
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1":
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MARK":
                stack.append(_Mark)
            case "TUPLE":
                stack.append(tuple(_pop_to_mark(stack)))
            case "BINPERSID":
                key, size = _storage(stack.pop())
                if storages.setdefault(key, size) != size:
                    raise ValueError(f"tensor storage {key!r} is declared with two sizes")
                stack.append(None)
            case _:
                before = opcode.stack_before
                if pickletools.markobject in before:
                    _pop_to_mark(stack)
                    before = before[: before.index(pickletools.markobject)]
                for _ in before:
                    stack.pop()
                stack += [None] * len(opcode.stack_after)
    return PickleScan(names=frozenset(names), storages=storages)


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    """Removes and returns what lies above the topmost mark, and removes the mark."""
    above: list[Any] = []
    while (item := stack.pop()) is not _Mark:
        above.append(item)
    return above[::-1]


def _storage(identity: Any) -> tuple[str, int]:
    """Key and bytes of a storage from its persistent id."""
    match identity:
        case ("storage", _Name(path), str(key), _, int(items)) if path in STORAGE_ITEM_BYTES and items >= 0:
            return key, items * STORAGE_ITEM_BYTES[path]
    raise ValueError(f"a tensor storage of an unknown kind: {identity!r:.80}")


def _first_bytes(path: Path, count: int) -> bytes:
    if path.is_dir():
        raise CheckpointError(got=f"folder {path}", allowed=FORMATS, do="pass the weights file inside it")
    try:
        with path.open("rb") as handle:
            return handle.read(count)
    except OSError as error:
        raise CheckpointError(
            got=f"{path}, which cannot be read: {error.strerror}", allowed=FORMATS, do="check the path"
        ) from error


OTHER_FORMATS = (
    (b"\x80", "a pickle of torch before 1.6 or of another program", RESAVE),
    (b"version ", "a Git LFS pointer in place of the file itself", "run `git lfs pull` in its repository"),
    (b"<", "a web page in place of the file itself", "download the file itself, with the link of its download button"),
)


def _describe(path: Path, head: bytes) -> str:
    known = next((kind for magic, kind, _ in OTHER_FORMATS if head.startswith(magic)), None)
    return known or f"{path.stat().st_size} bytes of no weights format known here"


def _advice(head: bytes) -> str:
    return next((do for magic, _, do in OTHER_FORMATS if head.startswith(magic)), "check that this is the weights file")


def _damaged(path: Path, how: str) -> CheckpointError:
    return CheckpointError(
        got=f"{path}, a damaged or foreign archive: {how}", allowed=FORMATS, do="download or save it again"
    )


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
