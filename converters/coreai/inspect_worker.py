"""Tells a parent process (child.py) what is in an asset: what each function takes and gives, its operations and the types in it.

python -m converters.coreai.inspect_worker ASSET
"""

from __future__ import annotations

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from converters.coreai.child import Parent, serving, to_json
from converters.coreai.locations import module_of
from converters.coreai.package import of_tensors

TENSOR = re.compile(r"tensor<(?P<shape>(?:\d+x)*)(?P<dtype>[a-z]+\d+)>")
BODY = re.compile(r".*@([a-z_]+?)_\d+.*")
"""The symbol of a composite operation's body, as write_worker.py numbers it."""

DTYPES = {
    "f32": "float32",
    "f16": "float16",
    "i8": "int8",
    "si8": "int8",
    "ui8": "uint8",
    "ui4": "uint4",
    "ui6": "uint6",
    "si32": "int32",
    "ui32": "uint32",
}
"""MLIR's names of types that matter to an app."""

CONSTANT, INVOKE, RESULT, OUTPUT = "coreai.constant", "coreai.invoke", "coreai.name", "coreai.output"


def tensor(spelled: str) -> tuple[list[int], str]:
    """Shape and dtype of a type as MLIR spells it."""
    found = TENSOR.match(spelled)
    if found is None:
        return [], spelled
    return [int(size) for size in found["shape"].split("x") if size], DTYPES.get(found["dtype"], found["dtype"])


def operations(graph: Any) -> Iterator[Any]:
    for region in graph.regions:
        for block in region.blocks:
            yield from (one.operation for one in block.operations)


def kind(operation: Any) -> str:
    """What an operation is called: without the dialect, an invoked body by its own name without the number of its copy."""
    name: str = operation.name
    if name == INVOKE:
        return BODY.sub(r"\1", str(operation.attributes["callee"]))
    return name.removeprefix("coreai.").removeprefix("decomposable.")


def ends(attributes: Any, types: list[Any]) -> list[dict[str, Any]]:
    """Inputs or outputs by name."""
    listed = []
    for attribute, one in zip(attributes, types, strict=True):
        shape, dtype = tensor(str(one))
        listed.append({"name": attribute[RESULT].value, "shape": shape, "dtype": dtype})
    return listed


def described(graph: Any) -> dict[str, Any]:
    """One function."""
    inside = list(operations(graph.operation))
    signature = graph.function_type.value
    stored = Counter(tensor(str(one.results[0].type))[1] for one in inside if one.name == CONSTANT)
    made = Counter(tensor(str(value.type))[1] for one in inside if one.name != CONSTANT for value in one.results)
    computing = [one for one in inside if one.name not in (CONSTANT, OUTPUT)]
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    for one in computing:
        modules[module_of(one)][kind(one)] += 1
    return {
        "inputs": ends(graph.arg_attrs, signature.inputs),
        "outputs": ends(graph.res_attrs, signature.results),
        "operations": Counter(kind(one) for one in computing),
        "modules": modules,
        "stored": stored,
        "made": made,
    }


def serve(path: str, parent: Parent) -> None:
    from coreai.authoring import AIModelAsset

    asset = AIModelAsset.load(path)
    names = of_tensors(asset.summary(include_statistics=False).function_names)
    program = asset.program
    parent.answer(to_json({name: described(program._get_graph(name)) for name in names}))


if __name__ == "__main__":
    with serving() as parent:
        serve(sys.argv[1], parent)
