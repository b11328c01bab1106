"""One ExecuTorch inference session for timing. Imports nothing of ours: this file is also copied to other machines and run there."""

from __future__ import annotations

from typing import Any

BYTE = 0
"""PyTorch's number of uint8."""


class Session:
    """A .pte file opened in executorch's runtime; its inputs are random from a fixed seed: normal numbers, or the pixels of an image."""

    def __init__(self, path: str, threads: int) -> None:
        bindings = imported()
        bindings._unsafe_reset_threadpool(threads)
        checked = {"program_verification": bindings.Verification.InternalConsistency}
        # The method does not keep its program alive.
        self._program: Any = bindings._load_program(path, enable_etdump=False, debug_buffer_size=0, **checked)
        self._method: Any = self._program.load_method("forward")
        meta = self._method.method_meta()
        self._inputs = [random_input(meta.input_tensor_meta(index)) for index in range(meta.num_inputs())]

    def run(self) -> None:
        """One inference."""
        self._method(self._inputs)


def imported() -> Any:
    """What `executorch.runtime` wraps. That one imports the whole toolchain, which takes three times as long."""
    import torch  # noqa: F401  # the bindings are linked to its libraries
    from executorch.extension.pybindings import _portable_lib

    return _portable_lib


def random_input(meta: Any) -> Any:
    """A tensor as the method's metadata describes it."""
    import torch

    generator, shape = torch.Generator().manual_seed(0), tuple(meta.sizes())
    if meta.dtype() == BYTE:
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


def describe() -> dict[str, str]:
    """The runtime, after its import. Raises ImportError where it is not installed."""
    from importlib.metadata import version

    imported()  # its import must not count as loading a model
    return {"name": "ExecuTorch with XNNPACK", "version": version("executorch")}
