"""XNNPACK's weight cache, off and on: a file may work with the one and not with the other.

With the cache, XNNPACK's backend frees a delegate's data as soon as its weights are packed. The setting (`weight_cache_enabled`) is on in
ExecuTorch's builds for Android and Apple and off in its Python package (tools/cmake/preset/android.cmake and apple_common.cmake of
pytorch/executorch@v1.4.1), which has no call for it. Its libraries export the C++ functions, though. They are called by their compiled
names, and believed only when the backend then says that it has the setting.

Imports nothing of ours: this file is also a program, `weight_cache.py MODEL.pte... IMAGES.npy OUTPUTS.npz`, which calls the outputs off0,
on0 and so on. It runs in a process of its own, because reading freed memory ends one, with any version of executorch, and exits with
UNSETTABLE where the cache cannot be set.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from typing import Any

UNSETTABLE = 3
BACKEND, KEY = b"XnnpackBackend", b"weight_cache_enabled"
FUNCTION = "_ZN10executorch7runtime10{}_optionEPKcNS0_4SpanINS0_13BackendOptionEEE"
"""executorch::runtime::set_option and get_option (runtime/backend/interface.h), as the C++ ABI of Linux and macOS writes them."""
BOOL = 0
"""The place of `bool` in an option's variant."""


class CannotSetError(Exception):
    """This build of executorch does not let the setting be changed."""


class Option(ctypes.Structure):
    """BackendOption (runtime/backend/options.h): a key, and a variant of a bool, an int and text of 256 bytes.

    The variant's index takes one byte or four, as the C++ library has it; the other three are padding then.
    """

    _fields_ = (("key", ctypes.c_char * 64), ("value", ctypes.c_uint8 * 256), ("kind", ctypes.c_uint32))


class Span(ctypes.Structure):
    """Span<BackendOption>."""

    _fields_ = (("data", ctypes.POINTER(Option)), ("size", ctypes.c_size_t))


def set_weight_cache(*, enabled: bool) -> None:
    """Switches the cache on or off for methods that are loaded from now on. Raises CannotSetError."""
    option = Option(key=KEY, kind=BOOL)
    option.value[0] = enabled
    call("set", option)
    answer = Option(key=KEY, kind=BOOL)
    answer.value[0] = not enabled
    call("get", answer)
    if answer.kind != BOOL or answer.value[0] != enabled:
        raise CannotSetError("the backend does not keep the setting")


def call(name: str, option: Option) -> None:
    """Asks XNNPACK's backend to `set` or `get` an option. Raises CannotSetError."""
    compiled = sys.modules[bindings().ExecuTorchProgram.__module__]
    try:
        # Found in the bindings' own library, or in one that it is linked to.
        function = getattr(ctypes.CDLL(compiled.__file__), FUNCTION.format(name))
    except AttributeError:
        raise CannotSetError("this build of executorch exports no function for it") from None
    function.argtypes, function.restype = (ctypes.c_char_p, Span), ctypes.c_uint32
    status = function(BACKEND, Span(ctypes.pointer(option), 1))
    if status:
        raise CannotSetError(f"executorch answers with error 0x{status:x}")


def bindings() -> Any:
    """What `executorch.runtime` wraps. That one imports the whole toolchain, which takes three times as long as all the rest here."""
    import torch  # noqa: F401  # the bindings are linked to its libraries

    try:
        from executorch.extension.pybindings import _portable_lib
    except ImportError:  # releases from 1.5 on have another name for it
        from executorch.extension.pybindings import portable_lib as _portable_lib
    return _portable_lib


def run(paths: Sequence[str], images: Any) -> list[Any]:
    """The outputs of each file's method for `images` (B, ...) as it takes them, one after the other; all files are loaded before the first
    runs."""
    import numpy as np
    import torch

    executorch = bindings()
    checked = {"program_verification": executorch.Verification.InternalConsistency}
    # By their paths: the runtime maps the files' parts, and what it frees is gone.
    programs = [executorch._load_program(path, enable_etdump=False, debug_buffer_size=0, **checked) for path in paths]
    outputs = []
    for method in [program.load_method("forward") for program in programs]:
        batch = method.method_meta().input_tensor_meta(0).sizes()[0]
        inputs = [torch.from_numpy(images[[index] * batch]) for index in range(len(images))]
        outputs.append(np.stack([method([one])[0].numpy()[0].copy() for one in inputs]))
    return outputs


def main(*arguments: str) -> None:
    """Runs the models with the cache off, then on."""
    import numpy as np

    *models, images, outputs = arguments
    stacked, results = np.load(images), {}
    for name, enabled in (("off", False), ("on", True)):
        try:
            set_weight_cache(enabled=enabled)
        except CannotSetError as error:
            print(error, file=sys.stderr)
            sys.exit(UNSETTABLE)
        results.update({f"{name}{position}": output for position, output in enumerate(run(models, stacked))})
    np.savez(outputs, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
