"""The table of targets. A target's module is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

from converters.contract import Target
from converters.errors import ConverterError, ToolchainError

TARGETS = {
    "coreml": "converters.coreml.target:CoreMLTarget",
    "tflite": "converters.tflite.target:TFLiteTarget",
    "executorch": "converters.executorch.target:ExecuTorchTarget",
}
SUFFIXES = {".mlpackage": "coreml", ".tflite": "tflite", ".pte": "executorch"}


class UnknownTargetError(ConverterError):
    exit_code = 2


def find_target(name: str) -> Target:
    """The target called `name`. Raises UnknownTargetError."""
    if name not in TARGETS:
        raise UnknownTargetError(got=f"format {name!r}", allowed=", ".join(TARGETS), do="name one of these")
    module, _, attribute = TARGETS[name].partition(":")
    target: Target = getattr(import_module(module), attribute)()
    return target


def find_installed_target(name: str) -> Target:
    """The target called `name`, its toolchain being installed. Raises UnknownTargetError, ToolchainError."""
    target = find_target(name)
    missing = target.missing()
    if missing is not None:
        raise ToolchainError(got=f"format {name} without its toolchain", allowed="an installed toolchain", do=missing)
    return target
