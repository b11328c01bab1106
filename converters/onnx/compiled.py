"""An .onnx file for one SoC: its only node is what ONNX Runtime's QNN provider compiled, an EPContext with the binary inside.

What the binary does not say is in `metadata_props`: the SoC, how many operations it has, and the numbers of int8 ends.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.contract import Delegation, Inspection, Layout, TensorSpec
from converters.errors import ArtefactError
from converters.onnx.file import described, read_model, signed, stated
from converters.qualcomm.emulator import Binary, End

if TYPE_CHECKING:
    from onnx import ModelProto

NODE, COMPILED = "EPContext", "compiled"


def packed(compiled: ModelProto, source: Inspection, soc: str, description: dict[str, Any]) -> bytes:
    """The file's bytes: what the provider wrote of a model that was like `source`, with a word on itself and a digest."""
    ends = {"inputs": source.inputs, "outputs": source.outputs}
    facts = {
        "soc": soc,
        "operations": sum(source.operations.values()),
        **{side: [asdict(spec) for spec in specs] for side, specs in ends.items()},
    }
    del compiled.metadata_props[:]  # the provider copies the source's
    return signed(described(compiled, {**description, COMPILED: facts}))


class Compiled:
    """A compiled file, read and checked. Raises ArtefactError for a damaged file, one of another writer, and one that is not compiled."""

    def __init__(self, path: Path) -> None:
        self.path, model = path, read_model(path)
        facts = stated(model).get(COMPILED)
        if facts is None or [node.op_type for node in model.graph.node] != [NODE]:
            raise ArtefactError(
                got=f"{path}, which is not compiled for an NPU",
                allowed="a file that `evit-mobile compile` wrote",
                do="compile the model",
            )
        self.soc: str = facts["soc"]
        self.operations: int = facts["operations"]
        self.inputs, self.outputs = ([spec_of(one) for one in facts[side]] for side in ("inputs", "outputs"))
        self._model = model

    def binary(self) -> Binary:
        """What the NPU runs."""
        return binary_of(self._model)

    def inspection(self, delegate: str) -> Inspection:
        """What the file contains, all of which `delegate` runs."""
        return Inspection(
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            operations={NODE: 1},
            dtypes={},
            bytes=self.path.stat().st_size,
            delegation=Delegation(
                delegate=delegate, partitions=1, delegated_ops=self.operations, total_ops=self.operations
            ),
        )


def spec_of(stored: dict[str, Any]) -> TensorSpec:
    layout = None if stored["layout"] is None else Layout(stored["layout"])
    return TensorSpec(**{**stored, "shape": tuple(stored["shape"]), "layout": layout})


def binary_of(model: ModelProto) -> Binary:
    """What the NPU runs of a model whose only node is what the provider compiled: its ends are those of the node, in their order."""
    from onnx import helper

    (node,) = model.graph.node
    fields = {attribute.name: attribute for attribute in node.attribute}
    types = {stated.name: stated.type.tensor_type for stated in (*model.graph.input, *model.graph.output)}

    def end(name: str) -> End:
        shape = tuple(dim.dim_value for dim in types[name].shape.dim)
        return End(name=name, shape=shape, dtype=helper.tensor_dtype_to_np_dtype(types[name].elem_type).name)

    return Binary(
        content=fields["ep_cache_context"].s,
        graph=fields["partition_name"].s.decode(),
        inputs=tuple(map(end, node.input)),
        outputs=tuple(map(end, node.output)),
    )
