"""Reads from a .pte file what is inside: operations, types, and what the delegate took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from executorch.exir.schema import ScalarType

from converters.contract import Delegation, Fallback, Inspection, Layout, TensorSpec
from converters.executorch.container import OUTPUT_KEY, XNNPACK, Container, open_container
from converters.executorch.delegate import StoredGraph

IMAGE_DIMENSIONS = 4
DTYPES = {
    "fp32": "float32",
    "fp16": "float16",
    "qint8": "int8",
    "quint8": "uint8",
    "qcint8": "int8",
    "qint32": "int32",
    "qcint32": "int32",
}
"""numpy's names for the delegate's types; a quantized type is named after what is stored."""
FALLBACK_REASON = "XNNPACK did not take it; it runs on executorch's portable kernels"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a file's delegate `backend`, in words `delegate`, has taken: operations by kind, tensors by type, in so many partitions;
    `otherwise` is why it left the others.
    """

    delegate: str
    backend: str
    partitions: int
    operations: Counter[str]
    dtypes: Counter[str]
    otherwise: str


def inspect_content(content: bytes) -> Inspection:
    """What the .pte file with these bytes contains. Raises ArtefactError."""
    container = open_container(content)
    graphs = container.graphs
    taken = Taken(
        delegate="XNNPACK",
        backend=XNNPACK,
        partitions=len(graphs),
        operations=Counter(node.kind for graph in graphs for node in graph.nodes),
        dtypes=Counter(DTYPES.get(value.dtype, value.dtype) for graph in graphs for value in graph.values.values()),
        otherwise=FALLBACK_REASON,
    )
    return inspection_of(container, len(content), taken, _notes(graphs))


def inspection_of(container: Container, size: int, taken: Taken, notes: tuple[str, ...] = ()) -> Inspection:
    """The report of a file of `size` bytes whose delegate has `taken` what it did. Raises ArtefactError."""
    kernels = kernel_calls(container, taken.backend)
    inputs, outputs = tensor_specs(container)
    return Inspection(
        inputs=inputs,
        outputs=outputs,
        operations=dict((taken.operations + kernels).most_common()),
        dtypes=dict(taken.dtypes.most_common()),
        bytes=size,
        delegation=Delegation(
            delegate=taken.delegate,
            partitions=taken.partitions,
            delegated_ops=taken.operations.total(),
            total_ops=taken.operations.total() + kernels.total(),
            fallback=tuple(
                Fallback(op=name, count=count, reason=taken.otherwise) for name, count in kernels.most_common()
            ),
        ),
        notes=notes,
    )


def kernel_calls(container: Container, own: str = XNNPACK) -> Counter[str]:
    """Operations outside every delegate, by name. A call of another backend's delegate than `own` counts as one operation."""
    plan = container.plan
    names: Counter[str] = Counter()
    for chain in plan.chains:
        for instruction in chain.instructions:
            call = instruction.instr_args
            match type(call).__name__:
                case "KernelCall":
                    operator = plan.operators[call.op_index]
                    names[f"{operator.name}.{operator.overload}".rstrip(".")] += 1
                case "DelegateCall" if plan.delegates[call.delegate_index].id != own:
                    names[plan.delegates[call.delegate_index].id] += 1
    return names


def tensor_specs(container: Container) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of the program. The format has no names for them: they are numbered, unless the file's own metadata says
    what the output is.
    """
    plan = container.plan
    inputs, outputs = (
        tuple(_tensor_spec(f"{kind}_{position}", plan.values[index].val) for position, index in enumerate(indices))
        for kind, indices in (("input", plan.inputs), ("output", plan.outputs))
    )
    name = container.description.get("extra", {}).get(OUTPUT_KEY)
    return inputs, outputs if name is None else (replace(outputs[0], name=name), *outputs[1:])


def _tensor_spec(name: str, tensor: Any) -> TensorSpec:
    shape = tuple(tensor.sizes)
    return TensorSpec(
        name=name,
        shape=shape,
        dtype=_scalar_name(tensor.scalar_type),
        layout=_layout(tensor) if len(shape) == IMAGE_DIMENSIONS else None,
    )


def _layout(tensor: Any) -> Layout:
    """How an image is stored: as in PyTorch, but pixels as cameras give them."""
    return Layout.NHWC if tensor.scalar_type is ScalarType.BYTE else Layout.NCHW


def _scalar_name(scalar_type: Any) -> str:
    """numpy's name for PyTorch's scalar type."""
    name = str(scalar_type.name)
    return {"FLOAT": "float32", "HALF": "float16", "CHAR": "int8", "BYTE": "uint8"}.get(name, name.lower())


def _notes(graphs: tuple[StoredGraph, ...]) -> tuple[str, ...]:
    return (*_freed_constants(graphs), *_int8_operations(graphs))


def _freed_constants(graphs: tuple[StoredGraph, ...]) -> tuple[str, ...]:
    """A warning of files, as this tool wrote them once, that most runtimes read freed memory for."""
    unpacked = Counter(kind for graph in graphs for kind in graph.unpacked())
    if not unpacked:
        return ()
    kinds = ", ".join(f"{count} {kind}" for kind, count in unpacked.most_common())
    return (
        f"constants inside the delegate that runtimes may free before they are read: {kinds}; convert the model again",
    )


def _int8_operations(graphs: tuple[StoredGraph, ...]) -> tuple[str, ...]:
    """What of the delegate's operations writes int8, for files with any."""
    total: Counter[str] = Counter()
    integer: Counter[str] = Counter()
    for graph in graphs:
        for node in graph.nodes:
            total[node.kind] += 1
            integer[node.kind] += graph.values[node.output].dtype == "qint8"
    if not integer.total():
        return ()
    kinds = ", ".join(f"{kind} {integer[kind]}/{count}" for kind, count in total.most_common())
    return (f"operations that write int8: {integer.total()}/{total.total()} ({kinds})",)
