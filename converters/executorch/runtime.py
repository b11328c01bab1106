"""Runs a .pte file with executorch's own runtime and XNNPACK delegate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from converters.executorch.container import METHOD, open_container
from converters.executorch.damage import damaged
from converters.executorch.quiet import captured_native_log

if TYPE_CHECKING:
    from converters.contract import Runner


def make_runner(content: bytes) -> Runner:
    """A Runner of the .pte file with these bytes, on all CPU cores. Raises ArtefactError."""
    open_container(content).graphs()
    return _Runner(content)


class _Runner:
    """Feeds images in batches of the file's own size; the last one is filled up with zeros."""

    def __init__(self, content: bytes) -> None:
        from executorch.runtime import Runtime, Verification

        with captured_native_log() as log:
            try:
                # The method does not keep its program alive.
                self._program = Runtime.get().load_program(content, verification=Verification.InternalConsistency)
                self._method: Any = self._program.load_method(METHOD)
            except RuntimeError as error:
                failure: RuntimeError | None = error
            else:
                failure = None
        if failure is not None:
            raise damaged(f"a program that the runtime refuses ({failure}; {'; '.join(log.lines)})") from failure
        meta = self._method.metadata
        if (meta.num_inputs(), meta.num_outputs()) != (1, 1):
            raise damaged(f"a program with {meta.num_inputs()} inputs and {meta.num_outputs()} outputs")
        self._shape: Sequence[int] = tuple(meta.input_tensor_meta(0).sizes())

    def __call__(self, images: np.ndarray) -> np.ndarray:
        batch = self._shape[0]
        outputs = []
        for start in range(0, len(images), batch):
            piece = np.zeros(self._shape, dtype=np.float32)
            count = len(images[start : start + batch])
            piece[:count] = images[start : start + batch]
            (output,) = self._method.execute([torch.from_numpy(piece)])
            outputs.append(output.numpy()[:count])
        return np.concatenate(outputs)
