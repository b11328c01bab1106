"""What a .tflite file contains, and how XNNPACK takes it, as LiteRT itself reports after preparing the file."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from converters.contract import Delegation, Fallback, Inspection, TensorSpec
from converters.tflite.app_metadata import LABELS, stored_labels
from converters.tflite.flatbuffer import read_oldest_release
from converters.tflite.runtime import IMAGE_RANK, image_layout, open_interpreter
from converters.tflite.structure import read_model
from converters.tflite.versions import oldest_runtime

DELEGATE = "XNNPACK"
DELEGATE_NODE = "DELEGATE"

FLOAT_ONLY = {
    "ABS", "DIV", "EXP", "GELU", "HARD_SWISH", "MAXIMUM", "MINIMUM", "NEG", "RELU", "RELU6", "RSQRT", "SOFTMAX", "SQRT",
    "SQUARE", "SQUARED_DIFFERENCE",
}  # fmt: skip
"""Operations that XNNPACK's delegate takes in float only (VisitUnaryNode, VisitBinaryNode, VisitSoftmaxNode)."""

FLOAT_OR_INT8 = {
    "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE",
    "FULLY_CONNECTED", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "QUANTIZE", "RESHAPE", "RESIZE_BILINEAR",
    "SLICE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE",
}  # fmt: skip
"""Operations that it takes in both."""

MAX_CONCATENATED = 5


def inspect_file(path: Path) -> Inspection:
    """Contents and delegation. Raises ArtefactError."""
    return inspect_model(path, *read_model(path))


def inspect_model(path: Path, content: bytes, model: Any) -> Inspection:
    """The same of a file that has been read: its bytes, and their tables as `ModelT`."""
    subgraph = model.subgraphs[0]
    kinds = operator_kinds(model)
    used = {int(index) for operator in subgraph.operators for index in (*operator.inputs, *operator.outputs)} - {-1}
    return Inspection(
        inputs=tensor_specs(model, subgraph, inputs=True),
        outputs=tensor_specs(model, subgraph, inputs=False),
        operations=dict(Counter(kinds).most_common()),
        dtypes=dict(Counter(tensor_dtype(subgraph.tensors[index]) for index in sorted(used)).most_common()),
        bytes=len(content),
        delegation=_delegation(model, open_interpreter(path, content)),
        notes=(*_runtime_notes(model), *_label_notes(content)),
    )


def _runtime_notes(model: Any) -> tuple[str, ...]:
    """Which runtimes are too old for the file, as it says itself; nothing in files of writers that do not say it."""
    release = read_oldest_release(model)
    return () if release is None else (f"needs TensorFlow Lite {release}; tried from {oldest_runtime(release)} on",)


def _label_notes(content: bytes) -> tuple[str, ...]:
    """The class names in the file."""
    labels = stored_labels(content)
    return (f"{len(labels)} class names in {LABELS} inside, which unzip and MediaPipe find",) if labels else ()


def operator_kinds(model: Any) -> list[str]:
    """The operation of each operator, by its name in the schema."""
    from ai_edge_litert import schema_py_generated as schema

    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [names.get(numbers[operator.opcodeIndex], "unknown") for operator in model.subgraphs[0].operators]


def tensor_dtype(tensor: Any) -> str:
    from ai_edge_litert import schema_py_generated as schema

    names = {number: name for name, number in vars(schema.TensorType).items() if isinstance(number, int)}
    name: str = names.get(tensor.type, "unknown")
    return name.lower()


def tensor_specs(model: Any, subgraph: Any, *, inputs: bool) -> tuple[TensorSpec, ...]:
    """The model's inputs or outputs, under the names of its signature where it has one. All images are laid out as its input."""
    indices = subgraph.inputs if inputs else subgraph.outputs
    named = {}
    for signature in model.signatureDefs or []:
        named.update({entry.tensorIndex: entry.name for entry in (signature.inputs if inputs else signature.outputs)})
    images = image_layout(subgraph.tensors[subgraph.inputs[0]].shape)
    specs = []
    for index in indices:
        tensor = subgraph.tensors[index]
        shape = tuple(int(size) for size in tensor.shape)
        name = (named.get(index) or tensor.name).decode()
        scale, zero_point = _parameters(tensor)
        specs.append(
            TensorSpec(
                name=name,
                shape=shape,
                dtype=tensor_dtype(tensor),
                layout=images if len(shape) == IMAGE_RANK else None,
                scale=scale,
                zero_point=zero_point,
            )
        )
    return tuple(specs)


def _parameters(tensor: Any) -> tuple[float | None, int | None]:
    """(scale, zero point) of a quantized tensor, (None, None) of another."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return None, None
    return float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _delegation(model: Any, interpreter: Any) -> Delegation:
    """Reads which operators the runtime gave away.

    A prepared interpreter lists the file's operators and then one node per partition with the tensors it reads and
    writes. An operator is in a partition when a tensor that the partition writes depends on it without crossing one
    that it reads.
    """
    subgraph, kinds = model.subgraphs[0], operator_kinds(model)
    partitions = [node for node in interpreter._get_ops_details() if node["op_name"] == DELEGATE_NODE]
    producers = {int(index): number for number, operator in enumerate(subgraph.operators) for index in operator.outputs}
    delegated: set[int] = set()
    for partition in partitions:
        reads = {int(index) for index in partition["inputs"]}
        pending = [int(index) for index in partition["outputs"]]
        while pending:
            number = producers.get(pending.pop())
            if number is not None and number not in delegated:
                delegated.add(number)
                pending += [int(index) for index in subgraph.operators[number].inputs if int(index) not in reads]
    left = [number for number in range(len(kinds)) if number not in delegated]
    return Delegation(
        delegate=DELEGATE,
        partitions=len(partitions),
        delegated_ops=len(delegated),
        total_ops=len(kinds),
        fallback=collect_fallbacks(model, left, lambda kind, operator: _reason(model, kind, operator)),
    )


def collect_fallbacks(model: Any, numbers: list[int], reason: Callable[[str, Any], str]) -> tuple[Fallback, ...]:
    """The operators with these numbers, those of one kind and `reason(kind, operator)` as one."""
    subgraph, kinds = model.subgraphs[0], operator_kinds(model)
    modules: dict[tuple[str, str], list[str]] = defaultdict(list)
    for number in numbers:
        operator = subgraph.operators[number]
        modules[kinds[number], reason(kinds[number], operator)].append(module_path(subgraph, operator))
    return tuple(
        Fallback(op=kind, count=len(paths), reason=reason, modules=tuple(sorted({path for path in paths if path})))
        for (kind, reason), paths in modules.items()
    )


def module_path(subgraph: Any, operator: Any) -> str:
    """The module path in the name of the operator's result: what stands before the first slash. The file's output is called as its
    signature says: there the names of weights tell, and of what has none, the input's.
    """
    indices = [operator.outputs[0], *operator.inputs[1:], *operator.inputs[:1]]
    names = (subgraph.tensors[index].name.decode().partition("/") for index in indices if index >= 0)
    return next((path for path, slash, _ in names if slash), "")


def _reason(model: Any, kind: str, operator: Any) -> str:
    """Why XNNPACK's delegate leaves the operator, as far as its published rules tell."""
    tensors = model.subgraphs[0].tensors
    if kind not in FLOAT_ONLY | FLOAT_OR_INT8:
        return "XNNPACK has no such operation"
    types = {tensor_dtype(tensors[index]) for index in operator.inputs if index >= 0}
    if kind in FLOAT_ONLY and "int8" in types:
        return "XNNPACK has no int8 form of it"
    if kind == "CONCATENATION" and len(operator.inputs) > MAX_CONCATENATED:
        return f"XNNPACK joins at most {MAX_CONCATENATED} tensors"
    if kind == "FULLY_CONNECTED" and model.buffers[tensors[operator.inputs[1]].buffer].data is None:
        return "XNNPACK needs a constant weight"
    return "outside the types, shapes or scales that XNNPACK accepts"
