"""A package in the place of Apple's coreai, for the processes that import it, and assets for it: their programs say in JSON what to do.
Operators in the place of those that coreai-torch registers, for programs that are not written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from converters.coreai import package

AUTHORING = """
import json
import os
from pathlib import Path
from types import SimpleNamespace

from coreai.runtime import NDArray


class AIModelAsset:
    def __init__(self, program):
        self.program = program
        self.function_names = list(program["functions"])

    @classmethod
    def load(cls, path):
        print("what Apple's code prints")
        program = json.loads(Path(path, "main.mlirb").read_bytes()[4:])
        if "signal" in program:
            os.kill(os.getpid(), program["signal"])
        if "error" in program:
            raise RuntimeError(program["error"])
        return cls(program)

    def executable(self):
        return self

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    def load_function(self, name):
        shape, factor = self.program["functions"][name]

        async def function(given):
            if factor is None:
                raise ValueError("no memory")
            return {"result": NDArray(given["source"].numpy().mean((2, 3)) * factor)}

        descriptor = SimpleNamespace(shape=shape)
        function.desc = SimpleNamespace(
            input_names=["source"], output_names=["result"], input_descriptor=lambda _: descriptor
        )
        return function
"""

RUNTIME = """
class NDArray:
    def __init__(self, array):
        self.array = array

    def numpy(self):
        return self.array
"""


def write_package(folder: Path) -> None:
    """A function of it gives the mean of each channel times the function's factor, an error where that is None."""
    (folder / "coreai").mkdir()
    for name, source in (("__init__", ""), ("authoring", AUTHORING), ("runtime", RUNTIME)):
        (folder / "coreai" / f"{name}.py").write_text(source)


def asset_of(path: Path, own: Mapping[str, str] = MappingProxyType({}), **program: Any) -> Path:
    """A sound asset for it: `functions` by name, with an input shape and a factor each; or an `error`; or a `signal`. `own` is what its
    author adds to the metadata.
    """
    content = package.MAGIC + json.dumps(program).encode()
    path.mkdir()
    (path / package.PROGRAM).write_bytes(content)
    (path / package.HASH).write_bytes(hashlib.sha256(content).digest())
    (path / package.METADATA).write_text(json.dumps({"assetVersion": package.ASSET_VERSION, package.OWN: dict(own)}))
    return path


@cache
def operators() -> torch.library.Library:
    """The operators of compressed weights that Apple's coreai-torch registers, for where it is not installed."""
    library = torch.library.Library("coreai", "FRAGMENT")
    library.define("lut_to_dense(Tensor indices, Tensor lut, int axis) -> Tensor")
    library.define("constexpr_blockwise_shift_scale(Tensor input, Tensor scale) -> Tensor")
    library.impl("lut_to_dense", looked_up, "CompositeExplicitAutograd")
    library.impl("constexpr_blockwise_shift_scale", torch.mul, "CompositeExplicitAutograd")
    return library


def looked_up(indices: torch.Tensor, lut: torch.Tensor, _axis: int = 0) -> torch.Tensor:
    """Entries (O, ...) of tables (G, 1, ..., entries, 1), one for each O / G channels."""
    tables = lut.reshape(lut.shape[0], -1)
    return tables.gather(1, indices.reshape(lut.shape[0], -1).long()).reshape(indices.shape)
