"""A folder as the bytes that ExecuTorch's Core ML delegate unpacks, and back.

The contents of all files, one after the other, and then a JSON description of the tree, written backwards, so that a reader finds
its beginning at the end of the bytes (backends/apple/coreml/runtime/inmemoryfs in pytorch/executorch@v1.4.1). executorch's
own writer lists files in the order of the disk; here they are sorted, so that equal folders give equal bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from converters.executorch.damage import damaged

FILE, FOLDER = 0, 1


def flatten(folder: Path) -> bytes:
    """The bytes of `folder` and everything in it, under its own name."""
    nodes: list[dict[str, Any]] = []
    contents = bytearray()

    def add(path: Path) -> int:
        children: dict[str, int] = {}
        region = {"offset": 0, "size": 0}
        if path.is_dir():
            children = {child.name: add(child) for child in sorted(path.iterdir())}
        else:
            region = {"offset": len(contents), "size": path.stat().st_size}
            contents.extend(path.read_bytes())
        kind = FOLDER if path.is_dir() else FILE
        nodes.append({"children": children, "dataRegion": region, "kind": kind, "name": path.name})
        return len(nodes) - 1

    add(folder)
    description = json.dumps({"nodes": nodes}, separators=(",", ":"), ensure_ascii=True)
    return bytes(contents) + description.encode()[::-1]


def unflatten(content: bytes, parent: Path) -> None:
    """Writes the folder in `content` into `parent`, with executorch's own reader. Raises ArtefactError."""
    from executorch.backends.apple.coreml import executorchcoreml

    try:
        done = executorchcoreml.unflatten_directory_contents(content, str(parent))
    except RuntimeError as error:
        raise damaged(f"a Core ML delegate whose folder cannot be unpacked ({error})") from error
    if not done:
        raise damaged("a Core ML delegate whose folder cannot be unpacked")
