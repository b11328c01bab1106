"""Compares a written asset with the program that it was written from, an operation at a time, for a parent process (child.py).

    python -m converters.coreai.steps_worker JOB ASSET

JOB is a folder with `job.json` (per_operation.py), the program that it names and `image.npy`. The program is converted again, with
operations that say which node they come from; the asset's are the same ones in the same order. A copy of the asset's function that
gives all their results is run, and each is held against what PyTorch makes of the results before it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from converters.coreai.child import Parent, serving, to_json
from converters.coreai.inspect_worker import CONSTANT, OUTPUT, kind, operations, tensor
from converters.coreai.locations import stacked
from converters.coreai.steps import Steps, quanta
from converters.coreai.write_worker import conversion, name_origins, number_composites, programs, without_warnings
from converters.interface import function_name
from converters.lowering.program import module_path

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node

AGAIN, COPY = "again.aimodel", "copy.aimodel"
CARRIED = {"cast", "reshape", "transpose", "broadcast_in_dims", "broadcasting_add"}
"""What says nothing of a step that does something else as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the asset computes for a node of the program: kinds of its operations, the last one's result, and by how many quanta constants
    that they read are others.
    """

    kinds: tuple[str, ...]
    value: Any
    constants: int


def serve(job: Path, path: Path, parent: Parent) -> None:
    from coreai._compiler.ir import Location
    from coreai.authoring import AIModelAsset

    description = json.loads((job / "job.json").read_bytes())
    image = np.load(job / "image.npy")
    with without_warnings():
        number_composites()
        name_origins(lambda node: node.name)
        ((name, program),) = programs(job, description).items()
        again = conversion({name: program}).save_asset(job / AGAIN).program
        asset = AIModelAsset.load(path)
        function, written = function_for(asset, image), asset.program
        graph = written._get_graph(function)
        found = matched(graph, again._get_graph(name), program)
        with written._module._mlir_module.context, Location.unknown():
            graph.outputs_spec = [(node, one.value) for node, one in found.items()]
        written.save_asset(job / COPY)
    given = asyncio.run(results(job / COPY, function, image))
    off = Steps(program, given).on(torch.from_numpy(image))
    nodes = {node.name: node for node in program.graph.nodes}
    parent.answer(to_json([described(nodes[node], found[node], each) for node, each in off.items()]))


def function_for(asset: Any, image: np.ndarray) -> str:
    """The asset's function for images of this size."""
    names: list[str] = asset.summary(include_statistics=False).function_names
    return names[0] if len(names) == 1 else function_name(*image.shape[2:])


def matched(written: Any, again: Any, program: ExportedProgram) -> dict[str, Found]:
    """What the asset has of each node of the program, by the node's name, in the program's order. Raises ValueError where the asset has
    other operations than the program.
    """
    declared = {node.name: node.meta.get("val") for node in program.graph.nodes}
    kinds: dict[str, list[str]] = defaultdict(list)
    constants: dict[str, int] = defaultdict(int)
    values = {}
    for number, (one, other) in enumerate(paired(written, again)):
        if one is None or other is None or spelled(one) != spelled(other):
            raise ValueError(
                f"operation {number} is {'missing' if one is None else spelled(one)}, where the program has "
                f"{'none' if other is None else spelled(other)} of {stacked(other or one)}"
            )
        if one.name == CONSTANT:
            for node in readers(other):
                constants[node] = max(constants[node], difference(one, other))
        for node in stacked(other) if one.name not in (CONSTANT, OUTPUT) else ():
            kinds[node].append(kind(one))
            if len(one.results) == 1 and gives(one.results[0], declared.get(node)):
                values[node] = one.results[0]
    return {
        node: Found(kinds=tuple(kinds[node]), value=values[node], constants=constants[node])
        for node in declared
        if node in values
    }


def readers(constant: Any) -> Iterator[str]:
    """Names of the nodes whose operations read it."""
    for use in constant.results[0].uses:
        yield from stacked(use.owner)


def difference(one: Any, other: Any) -> int:
    """By how many quanta two constants differ at most."""
    from coreai._compiler.ir import DenseElementsAttr

    given, expected = (np.array(DenseElementsAttr(each.attributes["value"])) for each in (one, other))
    if given.tobytes() == expected.tobytes():
        return 0
    return int(quanta(torch.from_numpy(given), torch.from_numpy(expected), each=True).max())


def paired(written: Any, again: Any) -> Iterator[tuple[Any, Any]]:
    return zip_longest(operations(written.operation), operations(again.operation))


def spelled(operation: Any) -> str:
    """What it is and gives, which does not depend on numbers of copies."""
    return " ".join([kind(operation), *(str(value.type) for value in operation.results)])


def gives(value: Any, declared: Any) -> bool:
    """Whether it can be the node's result: in Core AI's types, for codes and floats."""
    if not isinstance(declared, Tensor) or not (declared.is_floating_point() or declared.dtype is torch.int8):
        return False
    return tensor(str(value.type)) == (list(declared.shape), str(declared.dtype).removeprefix("torch."))


async def results(path: Path, function: str, image: np.ndarray) -> dict[str, Tensor]:
    from coreai.authoring import AIModelAsset
    from coreai.runtime import NDArray

    async with AIModelAsset.load(path).executable() as model:
        loaded = model.load_function(function)
        outputs = await loaded({loaded.desc.input_names[0]: NDArray(image)})
        return {name: torch.from_numpy(np.array(value.numpy())) for name, value in outputs.items()}


def described(node: Node, found: Found, off: Tensor) -> dict[str, Any]:
    """One step, as `StepDifference` has it."""
    named = list(dict.fromkeys(found.kinds))
    return {
        "operation": "+".join([kind for kind in named if kind not in CARRIED] or named),
        "module": module_near(node),
        "tensor": node.name,
        "quanta": max(int(off.max()), found.constants),
        "differing": float((off > 0).double().mean()),
    }


def module_near(node: Node) -> str:
    """Path of the module that the node belongs to, or that what is made of it belongs to."""
    while not module_path(node) and node.users:
        node = next(iter(node.users))
    return module_path(node)


if __name__ == "__main__":
    with serving() as parent:
        serve(Path(sys.argv[1]), Path(sys.argv[2]), parent)
