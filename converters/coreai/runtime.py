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
from converters.interface import Normalization, function_name, pixels

if TYPE_CHECKING:
    import numpy as np

ON_MAC = sys.platform == "darwin"
RUNTIME = "Core AI on macOS" if ON_MAC else "the Core AI runtime on Linux, CPU"


def load(path: Path) -> Runner:
    """The asset at `path` as a function of preprocessed images. Raises ArtefactError for a damaged one, ToolchainError.

    Its runner raises ArtefactError for images of a size that the asset has not.
    """
    normalization = normalization_of(path)
    child = Child("run_worker", str(path))
    try:
        shapes = {name: tuple(shape) for name, shape in json.loads(child.ask()).items()}
        sizes = {name: shape[2:] if normalization is None else shape[1:3] for name, shape in shapes.items()}
    except ChildError as error:
        raise ArtefactError(
            got=f"{path}, on which Core AI gives up ({error})", allowed="a program that it runs", do="convert again"
        ) from error
    functions = _by_size(path, sizes)

    def run(images: np.ndarray) -> np.ndarray:
        import numpy as np

        name = _of_size(functions, images)
        given = as_pixels(images, normalization)
        try:
            return np.concatenate([_answer(child, name, image[None]) for image in given]).astype(np.float32)
        except ChildError as error:
            raise ToolchainError(
                got=f"a failure of Core AI on {path}: {error}", allowed="an output", do="convert again"
            ) from error

    return run


def normalization_of(path: Path) -> Normalization | None:
    """What the asset makes of an image's pixels, None where it takes preprocessed tensors. Raises ArtefactError for a damaged one."""
    own = package.read(path).own
    if "mean" not in own and "std" not in own:
        return None
    try:
        return Normalization.from_metadata(own)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            got=f"{path}, whose metadata has no readable mean and std ({error})", allowed="both", do="convert again"
        ) from error


def as_pixels(images: np.ndarray, normalization: Normalization | None) -> np.ndarray:
    """What an asset is given of preprocessed images (B, 3, H, W): 8-bit pixels (B, H, W, 3) where it normalises these itself."""
    import numpy as np

    if normalization is None:
        return images.astype(np.float32)
    return pixels(images, normalization).transpose(0, 2, 3, 1).astype(np.uint8)


def _by_size(path: Path, sizes: dict[str, tuple[int, ...]]) -> dict[tuple[int, ...], str]:
    """The functions by their size in pixels. Raises ArtefactError where one of several is called by another than its own."""
    for name, size in sizes.items() if len(sizes) > 1 else ():
        if name.removeprefix(package.PIXELS) != function_name(*size):
            raise ArtefactError(
                got=f"a function {name} for images of {size[0]}x{size[1]} pixels in {path}",
                allowed=f"the name {function_name(*size)}",
                do="convert again",
            )
    return {size: name for name, size in sizes.items()}


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
    """The output (1, ...) of function `name` for one image."""
    import numpy as np

    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(image))
    answer: np.ndarray = np.load(io.BytesIO(child.ask(name.encode(), content.getvalue())), allow_pickle=False)
    return answer
