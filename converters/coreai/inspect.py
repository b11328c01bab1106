"""What a written .aimodel contains. Which unit runs what is decided on the device, and nothing here can tell."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.contract import Inspection, Layout, TensorSpec
from converters.coreai import package
from converters.coreai.child import Child, ChildError
from converters.errors import ArtefactError
from converters.files import size_bytes

IMAGE_RANK = 4
PRODUCT, LAYOUT_KINDS = "broadcasting_batch_matmul", ("transpose", "reshape")


def inspect(path: Path) -> Inspection:
    """Contents of the asset at `path`: of all its functions together; inputs, outputs and modules of the first. Raises ArtefactError."""
    package.read(path)
    try:
        functions = json.loads(Child("inspect_worker", str(path)).ask())
    except ChildError as error:
        raise ArtefactError(
            got=f"{path}, which Core AI cannot read ({error})", allowed="a program", do="convert again"
        ) from error
    first = next(iter(functions.values()))
    operations = sum((Counter(one["operations"]) for one in functions.values()), Counter[str]())
    dtypes = sum((Counter(one["stored"]) + Counter(one["made"]) for one in functions.values()), Counter[str]())
    return Inspection(
        inputs=tuple(_spec(one) for one in first["inputs"]),
        outputs=tuple(_spec(one) for one in first["outputs"]),
        operations=dict(operations.most_common()),
        dtypes=dict(dtypes.most_common()),
        bytes=size_bytes(path),
        delegation=None,
        modules=first["modules"],
        notes=(
            "Core AI places operations when it specialises the file on a device",
            *_image_notes(functions),
            *_function_notes(functions),
            *_attention_notes(first["modules"]),
        ),
    )


def _spec(end: dict[str, Any]) -> TensorSpec:
    shape = tuple(end["shape"])
    images = Layout.NHWC if end["dtype"] == "uint8" else Layout.NCHW
    layout = images if len(shape) == IMAGE_RANK else None
    return TensorSpec(name=end["name"], shape=shape, dtype=end["dtype"], layout=layout)


def _image_notes(functions: dict[str, Any]) -> Iterator[str]:
    """One note per function that takes an image."""
    for name in functions:
        if name.startswith(package.PIXELS):
            image = name.removeprefix(package.PIXELS)
            yield f"function {image} takes an image and hands its pixels to {name}; only that can be run on Linux"


def _function_notes(functions: dict[str, Any]) -> Iterator[str]:
    """One note per function and its input; none where there is only one."""
    for name, one in functions.items() if len(functions) > 1 else ():
        (image,) = one["inputs"]
        yield f"function {name}: {image['name']} {tuple(image['shape'])}"


def _attention_notes(modules: dict[str, dict[str, int]]) -> Iterator[str]:
    """One note per module with several products of matrices: how many layout changes surround them."""
    for path, counts in modules.items():
        if counts.get(PRODUCT, 0) > 1:
            layout = ", ".join(f"{counts.get(kind, 0)} {kind}" for kind in LAYOUT_KINDS)
            yield f"attention in {path or '(top)'}: {counts[PRODUCT]} products, {layout}"
