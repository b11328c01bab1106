"""What a written ML Program contains, and a static audit of how it suits the Neural Engine.

Which unit runs an operation is decided by Core ML on the device. What can be said here is what is known to fall off the
Neural Engine, and how much data movement surrounds attention.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from converters.contract import Delegation, Fallback, Inspection, Layout, TensorSpec
from converters.coreml import toolchain
from converters.coreml.names import module_path
from converters.coreml.package import load_functions, read
from converters.files import size_bytes

DELEGATE = "Core ML"
MAXIMUM_RANK = 4
DTYPES = {"fp16": "float16", "fp32": "float32"}
"""MIL's names of types, where they differ from ours."""
IMAGE = "image"
"""dtype of an input that takes an 8-bit RGB image in place of a tensor."""

REPORTED = frozenset({"gather", "gather_along_axis", "gather_nd", "gru", "lstm", "rnn"})
LAYOUT_KINDS = ("transpose", "reshape")


def inspect(path: Path) -> Inspection:
    """Contents of the package at `path`: of all its functions together, inputs and outputs of the default one.

    Raises ArtefactError for a damaged one.
    """
    functions, descriptions = load_functions(path), read(path).descriptions
    function, description = next(iter(functions.values())), next(iter(descriptions.values()))
    images = {feature.name for feature in description.input if feature.type.WhichOneof("Type") == "imageType"}
    operations = [op for one in functions.values() for op in one.operations if not _is_constant(op)]
    weights = [var for one in functions.values() for op in one.operations for var in op.outputs if _is_weight(var)]
    activations = [var for op in operations for var in op.outputs]
    fallback = _fallback(operations)
    return Inspection(
        inputs=tuple(_spec(name, var, is_image=name in images) for name, var in function.inputs.items()),
        outputs=tuple(_spec(var.name, var) for var in function.outputs),
        operations=dict(Counter(op.op_type for op in operations).most_common()),
        dtypes=dict(Counter(_dtype(var) for var in (*activations, *weights)).most_common()),
        bytes=size_bytes(path),
        delegation=Delegation(
            delegate=DELEGATE,
            partitions=None,
            delegated_ops=len(operations) - sum(one.count for one in fallback),
            total_ops=len(operations),
            fallback=fallback,
        ),
        notes=(
            "static audit: operations known to fall off the Neural Engine are listed as fallback; "
            "Core ML places the rest when it loads the file on a device",
            _weight_note([var for op in function.operations for var in op.outputs if _is_weight(var)]),
            *_function_notes(functions),
            *_attention_notes([op for op in function.operations if not _is_constant(op)]),
        ),
    )


def _is_constant(op: Any) -> bool:
    kind: str = op.op_type
    return kind == "const" or kind.startswith("constexpr_")


def _is_weight(var: Any) -> bool:
    """Whether `var` is stored data, not an attribute of an operation such as strides or an axis."""
    stored = var.op.op_type == "const" and isinstance(var.val, np.ndarray) and var.val.ndim > 0
    return bool(stored) and _dtype(var) not in ("int32", "bool", "str")


def _dtype(var: Any) -> str:
    name: str = toolchain.load("coremltools.converters.mil.mil.types").builtin_to_string(var.dtype)
    return DTYPES.get(name, name)


def _spec(name: str, var: Any, *, is_image: bool = False) -> TensorSpec:
    layout = Layout.NCHW if len(var.shape) == MAXIMUM_RANK else None
    return TensorSpec(name=name, shape=tuple(var.shape), dtype=IMAGE if is_image else _dtype(var), layout=layout)


def _module(op: Any) -> str:
    """Module that `op` comes from: in its name or, where an optimisation pass renamed it, in that of what it takes."""
    while not (path := module_path(op.name)):
        producers = [var.op for var in _operands(op) if var.op is not None and not _is_constant(var.op)]
        if not producers:
            return ""
        op = producers[0]
    return path


def _operands(op: Any) -> Iterator[Any]:
    for value in op.inputs.values():
        yield from value if isinstance(value, (list, tuple)) else [value] if value is not None else []


# Rules of the audit. Sources: Apple, "Typed Execution" (coremltools guide) for float32; Apple, "Deploying Transformers
# on the Apple Neural Engine" (2022) for rank; hollance/neural-engine docs/unsupported-layers.md for reported kinds.


def _touches_float32(op: Any) -> bool:
    return any(_dtype(var) == "float32" for var in (*_tensors(op), *op.outputs))


def _high_rank(op: Any) -> bool:
    return any(len(var.shape) > MAXIMUM_RANK for var in (*_tensors(op), *op.outputs))


def _reported(op: Any) -> bool:
    return op.op_type in REPORTED


def _tensors(op: Any) -> list[Any]:
    """Inputs of `op` that are not constants."""
    return [var for var in _operands(op) if var.op is None or not _is_constant(var.op)]


RULES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (_touches_float32, "float32 tensor: the Neural Engine computes in float16"),
    (_high_rank, "rank above 4: the Neural Engine works on four dimensions"),
    (_reported, "reported not to run on the Neural Engine"),
)


def _fallback(operations: list[Any]) -> tuple[Fallback, ...]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for op in operations:
        reason = next((reason for applies, reason in RULES if applies(op)), None)
        if reason is not None:
            found[op.op_type, reason].append(_module(op))
    return tuple(
        Fallback(op=kind, count=len(modules), reason=reason, modules=tuple(sorted({path for path in modules if path})))
        for (kind, reason), modules in found.items()
    )


def _function_notes(functions: dict[str, Any]) -> Iterator[str]:
    """One note per function and its input, the default one first; none where there is only one."""
    for index, (name, function) in enumerate(functions.items() if len(functions) > 1 else ()):
        (image, *_) = function.inputs.values()
        default = " (the default)" if index == 0 else ""
        yield f"function {name}{default}: {image.name} {tuple(image.shape)}"


def _weight_note(weights: list[Any]) -> str:
    stored: Counter[str] = Counter()
    for var in weights:
        stored[_dtype(var)] += var.val.nbytes
    return "weights: " + ", ".join(f"{size} bytes of {dtype}" for dtype, size in stored.most_common())


def _attention_notes(operations: list[Any]) -> Iterator[str]:
    """One note per module that multiplies activations: how many layout changes surround the products."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for op in operations:
        kinds[_module(op)][op.op_type] += 1
    for module, counts in kinds.items():
        if counts["matmul"]:
            layout = ", ".join(f"{counts[kind]} {kind}" for kind in LAYOUT_KINDS)
            yield f"attention in {module or '(top)'}: {counts['matmul']} matmul, {layout}"
