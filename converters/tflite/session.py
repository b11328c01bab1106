"""One LiteRT inference session for timing. Imports nothing of ours: this file is also copied to other machines and run there."""

from __future__ import annotations

from typing import Any


class Session:
    """A .tflite file opened in LiteRT with XNNPACK; its input is random from a fixed seed: normal numbers, or the pixels of an image."""

    def __init__(self, path: str, threads: int) -> None:
        import numpy as np
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter: Any = Interpreter(model_path=path, num_threads=threads)
        self._interpreter.allocate_tensors()
        for detail in self._interpreter.get_input_details():
            generator, shape = np.random.default_rng(0), [int(size) for size in detail["shape"]]
            pixels = detail["dtype"] is np.uint8
            values = generator.integers(0, 256, shape) if pixels else generator.standard_normal(shape)
            self._interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))

    def run(self) -> None:
        """One inference."""
        self._interpreter.invoke()


def describe() -> dict[str, str]:
    """The runtime, after its import. Raises ImportError where it is not installed."""
    from importlib.metadata import version

    import ai_edge_litert.interpreter  # noqa: F401  # its import must not count as loading a model

    return {"name": "LiteRT with XNNPACK", "version": version("ai-edge-litert")}
