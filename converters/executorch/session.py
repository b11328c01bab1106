"""One ExecuTorch inference session for timing. Imports nothing of ours: this file is also copied to other machines and run there."""

from __future__ import annotations

from typing import Any


class Session:
    """A .pte file opened in executorch's runtime; its inputs are random normal numbers from a fixed seed."""

    def __init__(self, path: str, threads: int) -> None:
        import torch
        from executorch.extension.pybindings._portable_lib import _unsafe_reset_threadpool
        from executorch.runtime import Runtime, Verification

        _unsafe_reset_threadpool(threads)
        # The method does not keep its program alive.
        self._program: Any = Runtime.get().load_program(path, verification=Verification.InternalConsistency)
        self._method: Any = self._program.load_method("forward")
        meta, generator = self._method.metadata, torch.Generator().manual_seed(0)
        shapes = [tuple(meta.input_tensor_meta(index).sizes()) for index in range(meta.num_inputs())]
        self._inputs = [torch.randn(shape, generator=generator) for shape in shapes]

    def run(self) -> None:
        """One inference."""
        self._method.execute(self._inputs)


def describe() -> dict[str, str]:
    """The runtime, after its import. Raises ImportError where it is not installed."""
    from importlib.metadata import version

    import executorch.runtime  # noqa: F401  # its import must not count as loading a model

    return {"name": "ExecuTorch with XNNPACK", "version": version("executorch")}
