"""Running a written .tflite file in LiteRT on this machine's CPU, XNNPACK on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Layout
from converters.errors import ArtefactError
from converters.interface import Normalization, pixels
from converters.tflite.flatbuffer import read_description
from converters.tflite.graph import DataType
from converters.tflite.structure import read_model

if TYPE_CHECKING:
    import numpy as np

RUNTIME = "LiteRT with XNNPACK on this machine's CPU"
IMAGE_RANK, COLOURS = 4, 3


class LiteRTRunner:
    """A loaded file: float32 images (B, 3, H, W) -> float32 outputs (B, ...), an image output as (B, C, H', W').

    One that normalises by itself gets the 8-bit pixels that the preprocessed images were made from.
    """

    def __init__(self, interpreter: Any, normalization: Normalization | None = None) -> None:
        self._interpreter, self._normalization = interpreter, normalization
        self._input, self._output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        self._layout = image_layout(self._input["shape"])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Runs the batch in portions of the file's own batch size.

        Raises ValueError for images of another shape than the file's, or a number that is no multiple of its batch.
        """
        import numpy as np

        images = images if self._normalization is None else pixels(images, self._normalization)
        portion = int(self._input["shape"][0])
        if images.ndim != IMAGE_RANK or not len(images) or len(images) % portion:
            raise ValueError(f"got images of shape {images.shape}; allowed: (B, 3, H, W), B a multiple of {portion}")
        starts = range(0, len(images), portion)
        return np.concatenate([self._run(images[start : start + portion]) for start in starts])

    def _run(self, images: np.ndarray) -> np.ndarray:
        import numpy as np

        stored = images.transpose(0, 2, 3, 1) if self._layout is Layout.NHWC else images
        expected = tuple(int(size) for size in self._input["shape"])
        if stored.shape != expected:
            raise ValueError(f"got images of shape {images.shape}; allowed: those that give {self._layout} {expected}")
        self._interpreter.set_tensor(self._input["index"], np.ascontiguousarray(to_codes(stored, self._input)))
        self._interpreter.invoke()
        output = to_values(self._interpreter.get_tensor(self._output["index"]), self._output)
        return output.transpose(0, 3, 1, 2) if output.ndim == IMAGE_RANK and self._layout is Layout.NHWC else output


def to_codes(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """float32 values as the input that `detail` describes takes them: as they are, quantized to int8, or 8-bit pixels."""
    import numpy as np

    if detail["dtype"] is not np.int8:
        return values.astype(detail["dtype"], copy=False)
    scale, zero_point = detail["quantization"]
    codes: np.ndarray = np.clip(np.rint(values / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)
    return codes


def to_values(codes: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    """What an output that `detail` describes means, in float32."""
    import numpy as np

    if detail["dtype"] is np.float32:
        return codes
    scale, zero_point = detail["quantization"]
    values: np.ndarray = (codes.astype(np.float32) - zero_point) * np.float32(scale)
    return values


def image_layout(shape: Any) -> Layout | None:
    """The layout of a tensor of this shape, if it is an image's. Files written here are NHWC, others can be NCHW."""
    if len(shape) != IMAGE_RANK:
        return None
    return Layout.NCHW if int(shape[1]) == COLOURS and int(shape[3]) != COLOURS else Layout.NHWC


def load_runner(path: Path, *, threads: int = 1, on: Callable[[Path, Any], Any] | None = None) -> LiteRTRunner:
    """The file as a callable on `threads` threads, or `on` another interpreter, made for it and this machine's.

    Raises ArtefactError for a missing or damaged one.
    """
    content, model = read_model(path)
    inputs, outputs = (len(indices) for indices in (model.subgraphs[0].inputs, model.subgraphs[0].outputs))
    if (inputs, outputs) != (1, 1):
        raise ArtefactError(
            got=f"{path}, which has {inputs} inputs and {outputs} outputs",
            allowed="one image in, one tensor out",
            do="export a single-input model",
        )
    interpreter = open_interpreter(path, content, threads=threads)
    runner = interpreter if on is None else on(path, interpreter)
    return LiteRTRunner(runner, _normalization(path, model))


def _normalization(path: Path, model: Any) -> Normalization | None:
    """How the file normalises the image that it takes, None where it takes a tensor. Raises ArtefactError."""
    if not takes_pixels(model):
        return None
    try:
        return Normalization.from_metadata(read_description(model)["extra"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError(
            got=f"{path}, which takes 8-bit values of unknown mean and std ({type(error).__name__}: {error})",
            allowed="a file whose description holds them, as `convert --image-input` writes it",
            do="convert the model again",
        ) from error


def takes_pixels(model: Any) -> bool:
    """Whether the input is uint8: an image that the file normalises."""
    subgraph = model.subgraphs[0]
    return int(subgraph.tensors[subgraph.inputs[0]].type) == DataType.UINT8


def open_interpreter(path: Path, content: bytes, *, threads: int = 1) -> Any:
    """A LiteRT interpreter on `content` with its tensors allocated. Raises ArtefactError if LiteRT refuses it."""
    from ai_edge_litert.interpreter import Interpreter

    try:
        with quiet():
            interpreter = Interpreter(model_content=content, num_threads=threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ArtefactError(
            got=f"{path}, which LiteRT refuses: {error}",
            allowed="a .tflite file with one image input, made for this LiteRT or an older one",
            do="convert the model again",
        ) from error
    return interpreter


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps LiteRT's native code from announcing its delegate on stderr. Python has no switch for that."""
    sys.stderr.flush()
    saved = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(silence)
