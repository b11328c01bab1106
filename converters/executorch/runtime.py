"""Runs a .pte file with executorch's own runtime and XNNPACK delegate."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from converters.contract import SettingsRun
from converters.executorch import weight_cache
from converters.executorch.container import METHOD, open_container
from converters.executorch.damage import damaged
from converters.executorch.quiet import captured_native_log
from converters.interface import Normalization, pixels

if TYPE_CHECKING:
    from converters.contract import Runner


TRIAL = "import sys; from converters.executorch.runtime import run_once; run_once(sys.stdin.buffer.read())"
TRIAL_TIMEOUT_S = 120
BYTE = 0
"""PyTorch's number of uint8."""


def make_runner(content: bytes) -> Runner:
    """A Runner of the .pte file with these bytes, on all CPU cores; one that normalises by itself gets the 8-bit pixels that the
    preprocessed images were made from. Raises ArtefactError.
    """
    container = open_container(content)
    if not container.signed:
        try_in_child(content)
    runner, normalization = _Runner(content), container.normalization
    return lambda images: runner(given(normalization, images))


def given(normalization: Normalization | None, images: np.ndarray) -> np.ndarray:
    """What a file takes of preprocessed images (B, 3, H, W): these, or their pixels (B, H, W, 3). Raises ArtefactError."""
    if normalization is None:
        return images
    values = pixels(images, normalization).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(values, dtype=np.uint8)


def try_in_child(content: bytes) -> None:
    """Runs a file without a digest in another process first: native code aborts on some damage that no check here can see.

    Raises ArtefactError if that process is killed or does not end. Files that are refused in words are left to the caller.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", TRIAL]
    try:
        trial = subprocess.run(
            command, input=content, env=environment, capture_output=True, timeout=TRIAL_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise damaged(f"a program that does not end within {TRIAL_TIMEOUT_S} s") from error
    if trial.returncode < 0:
        raise damaged(f"a program that kills the runtime (signal {-trial.returncode})")


def run_once(content: bytes) -> None:
    """Loads and runs a file on zeros. Raises ArtefactError."""
    runner = _Runner(content)
    runner(np.zeros(runner.shape, dtype=runner.dtype))


def run_with_weight_cache(path: Path, images: np.ndarray) -> SettingsRun:
    """Runs a file on `images` (B, 3, H, W) with XNNPACK's weight cache off and on, in another process: no bit of the outputs may differ."""
    words = f"{len(images)} images with its weight cache on as well"
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "inputs.npy"), Path(folder, "outputs.npz")
        np.save(inputs, given(open_container(path.read_bytes()).normalization, images))
        # -P: the program's own folder has modules that are called as Python's.
        command = [sys.executable, "-P", weight_cache.__file__, str(path), str(inputs), str(outputs)]
        try:
            child = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=TRIAL_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return SettingsRun(words=words, fault=f"with the weight cache it does not end within {TRIAL_TIMEOUT_S} s")
        last = (child.stderr.splitlines() or ["no message"])[-1]
        if child.returncode == weight_cache.UNSETTABLE:
            return SettingsRun(words=f"its weight cache as this build has it: {last}")
        if child.returncode < 0:
            return SettingsRun(
                words=words, fault=f"with the weight cache it kills the runtime (signal {-child.returncode})"
            )
        if child.returncode:
            return SettingsRun(words=words, fault=f"with the weight cache it does not run ({last})")
        with np.load(outputs) as runs:
            return SettingsRun(words=words, fault=difference(runs["off0"], runs["on0"]))


def difference(off: np.ndarray, on: np.ndarray) -> str | None:
    """How the outputs (B, ...) without and with the weight cache differ, None if no bit does."""
    count = sum(one.tobytes() != other.tobytes() for one, other in zip(off, on, strict=True))
    return f"the weight cache changes the outputs of {count} of {len(off)} images" if count else None


class _Runner:
    """Feeds images in batches of the file's own size; the last one is filled up with zeros."""

    def __init__(self, content: bytes) -> None:
        # The method does not keep its program alive.
        self._program = load_program(content)
        self._method = load_method(self._program, METHOD)
        meta = self._method.metadata
        if (meta.num_inputs(), meta.num_outputs()) != (1, 1):
            raise damaged(f"a program with {meta.num_inputs()} inputs and {meta.num_outputs()} outputs")
        self.shape = tuple(int(size) for size in meta.input_tensor_meta(0).sizes())
        self.dtype = np.uint8 if meta.input_tensor_meta(0).dtype() == BYTE else np.float32

    def __call__(self, images: np.ndarray) -> np.ndarray:
        batch, *image = self.shape
        if images.shape[1:] != tuple(image) or not len(images):
            raise ValueError(f"got images of shape {images.shape}; allowed: (B, {', '.join(map(str, image))}), B > 0")
        outputs = []
        for start in range(0, len(images), batch):
            piece = np.zeros(self.shape, dtype=self.dtype)
            count = len(images[start : start + batch])
            piece[:count] = images[start : start + batch]
            (output,) = self._method.execute([torch.from_numpy(piece)])
            outputs.append(output.numpy()[:count])
        return np.concatenate(outputs)


def load_program(content: bytes) -> Any:
    """executorch's program, its flatbuffer verified. Raises ArtefactError."""
    from executorch.runtime import Runtime, Verification

    return _loaded(lambda: Runtime.get().load_program(content, verification=Verification.InternalConsistency))


def load_method(program: Any, name: str) -> Any:
    """A method of the program, its delegates ready. Raises ArtefactError."""
    return _loaded(lambda: program.load_method(name))


def _loaded(load: Callable[[], Any]) -> Any:
    """The result of `load`. Raises ArtefactError with the native explanation if the runtime refuses the file."""
    with captured_native_log() as log:
        try:
            result, failure = load(), None
        except RuntimeError as error:
            failure = error
    if failure is not None:
        raise damaged(f"a program that the runtime refuses ({'; '.join((str(failure), *log.lines))})") from failure
    sys.stderr.writelines(f"{line}\n" for line in log.lines)
    return result
