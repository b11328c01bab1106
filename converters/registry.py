"""The table of targets. A target's module is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from converters.contract import Target
from converters.errors import ConverterError, ToolchainError

TARGETS = {
    "coreml": "converters.coreml.target:CoreMLTarget",
    "tflite": "converters.tflite.target:TFLiteTarget",
    "executorch": "converters.executorch.target:ExecuTorchTarget",
}
DELEGATES = {
    "executorch": {"xnnpack": "executorch", "coreml": "executorch-coreml", "vulkan": "executorch-vulkan"},
}
"""Formats that exist for several delegates: the format's own name, the delegate's, and the target's."""

DELEGATED = {
    "executorch-coreml": "converters.executorch.delegates.coreml:CoreMLDelegateTarget",
    "executorch-vulkan": "converters.executorch.delegates.vulkan:VulkanDelegateTarget",
}
"""Targets of other delegates than a format's usual one."""

SUFFIXES = {
    ".mlpackage": "coreml",
    ".tflite": "tflite",
    ".pte": "executorch",
    ".coreml.pte": "executorch-coreml",
    ".vulkan.pte": "executorch-vulkan",
}


class UnknownTargetError(ConverterError):
    exit_code = 2


def find_target(name: str) -> Target:
    """The target called `name`. Raises UnknownTargetError."""
    known = {**TARGETS, **DELEGATED}
    if name not in known:
        raise UnknownTargetError(got=f"format {name!r}", allowed=", ".join(TARGETS), do="name one of these")
    module, _, attribute = known[name].partition(":")
    target: Target = getattr(import_module(module), attribute)()
    return target


def target_of(path: Path) -> str | None:
    """The name of the target that writes files with this suffix, None for other files."""
    return SUFFIXES.get("".join(path.suffixes[-2:])) or SUFFIXES.get(path.suffix)


def find_installed_target(name: str) -> Target:
    """The target called `name`, its toolchain being installed. Raises UnknownTargetError, ToolchainError."""
    target = find_target(name)
    missing = target.missing()
    if missing is not None:
        raise ToolchainError(got=f"format {name} without its toolchain", allowed="an installed toolchain", do=missing)
    return target
