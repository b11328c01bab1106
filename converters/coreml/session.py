"""One Core ML inference session for timing, on macOS. Imports nothing of ours."""

from __future__ import annotations

from typing import Any


class Session:
    """A .mlpackage opened in Core ML; its inputs are random normal numbers from a fixed seed. Core ML chooses its threads."""

    def __init__(self, path: str, threads: int) -> None:  # noqa: ARG002  # the other runtimes' sessions take it
        import coremltools as ct  # type: ignore[import-untyped]  # not typed
        import numpy as np

        self._model: Any = ct.models.MLModel(path)
        description = self._model.get_spec().description
        functions = {function.name: function for function in description.functions}
        default = functions.get(description.defaultFunctionName, description)
        random = np.random.default_rng(0)
        self._inputs = {
            entry.name: random.standard_normal(tuple(entry.type.multiArrayType.shape)).astype(np.float32)
            for entry in default.input
        }

    def run(self) -> None:
        """One inference."""
        self._model.predict(self._inputs)


def describe() -> dict[str, str]:
    """The runtime, after its import. Raises ImportError where it is not installed."""
    import platform

    if platform.system() != "Darwin":
        raise ImportError("Core ML runs on macOS and iOS only: profile there, or read an iOS report")
    import coremltools as ct

    return {"name": f"Core ML on macOS {platform.mac_ver()[0]}", "version": str(ct.__version__)}
