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
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from converters.coreai.child import Parent, serving, to_json
from converters.coreai.inspect_worker import CONSTANT, OUTPUT, kind, operations, tensor
from converters.coreai.locations import stacked
from converters.coreai.package import PIXELS, of_tensors
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
STORED = {"float32", "float16", "int8", "uint8"}
"""What constants hold that come of weights, but for indices into palettes: the runtime gives none of these, and what they look up is a
step of its own."""


@dataclass(slots=True)
class Pairs:
    """Values of the asset: by the node of the program that each is of, and constants beside those of the program, by a name of ours.

    `kinds` are those of a node's operations, `reads` names the constants that they read.
    """

    values: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    kinds: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    reads: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def serve(job: Path, path: Path, parent: Parent) -> None:
    from coreai.authoring import AIModelAsset

    description = json.loads((job / "job.json").read_bytes())
    image = np.load(job / "image.npy")
    with without_warnings():
        number_composites()
        name_origins(lambda node: node.name)
        ((name, program),) = programs(job, description).items()
        again = conversion({name: program}).save_asset(job / AGAIN).program
        asset = AIModelAsset.load(path)
        names = asset.summary(include_statistics=False).function_names
        function, written = function_for(of_tensors(names), image), asset.program
        for one in set(names) - set(of_tensors(names)):
            written._get_graph(one).operation.erase()  # what takes an image calls what is given other results here
        pairs = paired(written._get_graph(function), again._get_graph(name), program)
        stored = {number: one for number, (one, _) in pairs.constants.items()}
        right = {number: other for number, (_, other) in pairs.constants.items()}
        given = results(written, function, pairs.values | stored, job, image)
        expected = results(again, name, right, job, image)
    others = {one: int(quanta(given[one], expected[one], each=True).max()) for one in expected}
    off = Steps(program, {node: given[node] for node in pairs.values}).on(torch.from_numpy(image))
    parent.answer(to_json(list(described(program, pairs, off, others))))


def function_for(names: list[str], image: np.ndarray) -> str:
    """The function for images of this size."""
    size = image.shape[2:] if image.dtype == np.float32 else image.shape[1:3]
    return next((name for name in names if name.removeprefix(PIXELS) == function_name(*size)), names[0])


def paired(written: Any, again: Any, program: ExportedProgram) -> Pairs:
    """What the asset has of the program, whose conversion `again` names the nodes. Raises ValueError where the asset has other operations
    than that.
    """
    declared = {node.name: node.meta.get("val") for node in program.graph.nodes}
    pairs = Pairs()
    for number, (one, other) in enumerate(zip_longest(operations(written.operation), operations(again.operation))):
        if one is None or other is None or spelled(one) != spelled(other):
            raise ValueError(
                f"operation {number} is {'missing' if one is None else spelled(one)}, where the program has "
                f"{'none' if other is None else spelled(other)} of {stacked(other or one)}"
            )
        if one.name == CONSTANT and tensor(str(one.results[0].type))[1] in STORED:
            pairs.constants[f"constant_{number}"] = (one.results[0], other.results[0])
            for node in readers(other):
                pairs.reads[node].append(f"constant_{number}")
        for node in stacked(other) if one.name not in (CONSTANT, OUTPUT) else ():
            pairs.kinds[node].append(kind(one))
            if len(one.results) == 1 and gives(one.results[0], declared.get(node)):
                pairs.values[node] = one.results[0]
    return pairs


def readers(constant: Any) -> Iterator[str]:
    """Names of the nodes whose operations read it."""
    for use in constant.results[0].uses:
        yield from stacked(use.owner)


def spelled(operation: Any) -> str:
    """What it is and gives, which does not depend on numbers of copies."""
    return " ".join([kind(operation), *(str(value.type) for value in operation.results)])


def gives(value: Any, declared: Any) -> bool:
    """Whether it can be the node's result: in Core AI's types, for codes and floats."""
    if not isinstance(declared, Tensor) or not (declared.is_floating_point() or declared.dtype is torch.int8):
        return False
    return tensor(str(value.type)) == (list(declared.shape), str(declared.dtype).removeprefix("torch."))


def results(program: Any, function: str, values: dict[str, Any], job: Path, image: np.ndarray) -> dict[str, Tensor]:
    """What these values of the program's function are for an image, by their names; the function gives nothing else from now on."""
    from coreai._compiler.ir import Location

    with program._module._mlir_module.context, Location.unknown():
        program._get_graph(function).outputs_spec = list(values.items())
    program.save_asset(job / COPY)
    return asyncio.run(run(job / COPY, function, image))


async def run(path: Path, function: str, image: np.ndarray) -> dict[str, Tensor]:
    from coreai.authoring import AIModelAsset
    from coreai.runtime import NDArray

    async with AIModelAsset.load(path).executable() as model:
        loaded = model.load_function(function)
        outputs = await loaded({loaded.desc.input_names[0]: NDArray(image)})
        return {name: torch.from_numpy(np.array(value.numpy())) for name, value in outputs.items()}


def described(
    program: ExportedProgram, pairs: Pairs, off: dict[str, Tensor], others: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Every step, as `StepDifference` has it; `others` says by how many quanta a constant is another."""
    for node in program.graph.nodes:
        if node.name in off:
            named = list(dict.fromkeys(pairs.kinds[node.name]))
            yield {
                "operation": "+".join([kind for kind in named if kind not in CARRIED] or named),
                "module": module_near(node),
                "tensor": node.name,
                "quanta": max(int(off[node.name].max()), *(others[one] for one in pairs.reads[node.name]), 0),
                "differing": float((off[node.name] > 0).double().mean()),
            }


def module_near(node: Node) -> str:
    """Path of the module that the node belongs to, or that what is made of it belongs to."""
    while not module_path(node) and node.users:
        node = next(iter(node.users))
    return module_path(node)


if __name__ == "__main__":
    with serving() as parent:
        serve(Path(sys.argv[1]), Path(sys.argv[2]), parent)
