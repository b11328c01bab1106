"""Runs a written .aimodel in Core AI's own runtime: of Apple's wheel, in a process of its own.

On Linux that is its CPU runtime. On macOS 27 the same wheel calls the system's Core AI; this path was never run.
An asset with a function for each of several sizes runs the one whose size the images have.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from converters.contract import Runner
from converters.coreai import package
from converters.coreai.child import Child, ChildError
from converters.errors import ArtefactError, ToolchainError
from converters.interface import function_name

if TYPE_CHECKING:
    import numpy as np

ON_MAC = sys.platform == "darwin"
RUNTIME = "Core AI on macOS" if ON_MAC else "the Core AI runtime on Linux, CPU"


def load(path: Path) -> Runner:
    """The asset at `path` as a function of preprocessed images. Raises ArtefactError for a damaged one, ToolchainError.

    Its runner raises ArtefactError for images of a size that the asset has not.
    """
    package.read(path)
    child = Child("run_worker", str(path))
    try:
        shapes = {name: tuple(shape) for name, shape in json.loads(child.ask()).items()}
    except ChildError as error:
        raise ArtefactError(
            got=f"{path}, on which Core AI gives up ({error})", allowed="a program that it runs", do="convert again"
        ) from error
    functions = _by_size(path, shapes)

    def run(images: np.ndarray) -> np.ndarray:
        import numpy as np

        name = _of_size(functions, images)
        try:
            return np.concatenate([_answer(child, name, image[None]) for image in images]).astype(np.float32)
        except ChildError as error:
            raise ToolchainError(
                got=f"a failure of Core AI on {path}: {error}", allowed="an output", do="convert again"
            ) from error

    return run


def _by_size(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[tuple[int, ...], str]:
    """The functions by their size in pixels. Raises ArtefactError where one of several is called by another than its own."""
    for name, shape in shapes.items() if len(shapes) > 1 else ():
        if name != function_name(*shape[2:]):
            raise ArtefactError(
                got=f"a function {name} for images {shape} in {path}",
                allowed=f"the name {function_name(*shape[2:])}",
                do="convert again",
            )
    return {shape[2:]: name for name, shape in shapes.items()}


def _of_size(functions: dict[tuple[int, ...], str], images: np.ndarray) -> str:
    """The function for images (B, 3, H, W). Raises ArtefactError where there is none of their size."""
    size = images.shape[2:]
    if size not in functions:
        raise ArtefactError(
            got=f"images of {size[0]}x{size[1]} pixels",
            allowed=f"images of {', '.join('x'.join(map(str, known)) for known in functions)}",
            do="resize and crop to a size that the asset was written for",
        )
    return functions[size]


def _answer(child: Child, name: str, image: np.ndarray) -> np.ndarray:
    """The output (1, ...) of function `name` for one image (1, 3, H, W)."""
    import numpy as np

    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(image, np.float32))
    answer: np.ndarray = np.load(io.BytesIO(child.ask(name.encode(), content.getvalue())), allow_pickle=False)
    return answer
