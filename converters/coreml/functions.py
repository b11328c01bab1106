"""Several sizes of input in one package: a function of the program for each (iOS 18), equal weights stored once.

A function's name says its size, `size_224x288` for 224 rows of 288 columns. An app picks one by
`MLModelConfiguration.functionName` and gets the default one, the first, without.

`ct.EnumeratedShapes`, one function for several shapes, is not used: windows, position biases, the 1/N of a mean over N tokens
and the ranges of int8 are constants of one size. A function has its own, and stays a static program that is proven by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from converters.coreml import toolchain
from converters.coreml.package import FUNCTION, INLINE, read

NAME = re.compile(r"size_(\d+)x(\d+)")
RELEASE = 18
"""The first iOS whose packages may have several functions."""


def join(packages: Mapping[str, Path], path: Path) -> None:
    """Writes the programs of several packages of one function to `path`, each under its name here; the first is the default.

    Description and metadata are the first's. Not yet reproducible: see `make_reproducible`.
    """
    ct = toolchain.load()
    descriptor = ct.utils.MultiFunctionDescriptor()
    for name, package in packages.items():
        descriptor.add_function(str(package), FUNCTION, name)
    descriptor.default_function_name = next(iter(packages))
    with toolchain.no_progress_bars(), toolchain.quiet(("coremltools",)), toolchain.small_tensors_inline(INLINE):
        ct.utils.save_multifunction(descriptor, str(path))
    joined = read(path)
    first = read(next(iter(packages.values()))).specification.description
    joined.specification.description.metadata.CopyFrom(first.metadata)
    joined.model.write_bytes(joined.specification.SerializeToString())
