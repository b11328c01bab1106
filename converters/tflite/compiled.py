"""A .tflite file that LiteRT's ahead-of-time compiler wrote: what an NPU runs is one operation, and the binary lies behind the tables.

The operation is DISPATCH_OP. Its options, a flexbuffer, say where in the file its binary lies and what its graph is called. The metadata
entry LiteRtStamp names the maker and the SoC (litert/core/build_stamp.h in google-ai-edge/LiteRT).
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from converters.contract import Delegation, Inspection
from converters.errors import ArtefactError, NoRuntimeError
from converters.qualcomm.emulator import Binary, End
from converters.tflite.inspect import collect_fallbacks, operator_kinds, tensor_dtype, tensor_specs
from converters.tflite.structure import MALFORMED, is_signed, read_model

DISPATCH = b"DISPATCH_OP"
STAMP, STAMP_FIELD = b"LiteRtStamp", slice(125, 250)
"""The metadata entry, and where in it the SoC stands, padded with zeros."""
OPERATION = re.compile(rb"_LiteRt_OpId_(\d+)")
"""What the compiler appends to the name of each operation in the binary: the number of that of the .tflite file it comes from."""
LEFT = "Qualcomm's compiler leaves it on the CPU"


class Compiled:
    """A compiled file, read and checked. Raises ArtefactError for a damaged file, one of another writer, and one that is not compiled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content, self.model = read_model(path)
        if not is_signed(self.content):
            raise self._refused("which carries no digest of its bytes")
        self.dispatched = [operator for operator in self.model.subgraphs[0].operators if self._is_dispatch(operator)]
        if not self.dispatched:
            raise self._refused("which is not compiled for an NPU")

    @property
    def soc(self) -> str:
        """The SoC that it is compiled for, as the file says; empty where it does not."""
        for entry in self.model.metadata or []:
            if entry.name == STAMP:
                return (
                    bytes(self.model.buffers[entry.buffer].data)[STAMP_FIELD].rstrip(b"\0").decode("ascii", "replace")
                )
        return ""

    def binary(self) -> Binary:
        """What the NPU runs. Raises NoRuntimeError where it is not the whole model, ArtefactError where it does not lie in the file."""
        subgraph = self.model.subgraphs[0]
        if len(subgraph.operators) > 1:
            raise NoRuntimeError(
                got=f"{self.path.name}, of which the NPU runs {len(self.dispatched)} parts of {len(subgraph.operators)}",
                allowed="a file that it runs whole: nothing here runs it together with a CPU",
                do="run it on a device, or see `evit-mobile inspect` for what is left on the CPU",
            )
        content, graph = self._bytecode(self.dispatched[0])
        inputs, outputs = (tuple(map(self._end, ends)) for ends in (subgraph.inputs, subgraph.outputs))
        return Binary(content=content, graph=graph, inputs=inputs, outputs=outputs)

    def inspection(self, delegate: str) -> Inspection:
        """What the file contains, and what `delegate` runs of it."""
        subgraph, kinds = self.model.subgraphs[0], operator_kinds(self.model)
        left = [number for number, operator in enumerate(subgraph.operators) if not self._is_dispatch(operator)]
        taken = {number for operator in self.dispatched for number in OPERATION.findall(self._bytecode(operator)[0])}
        return Inspection(
            inputs=tensor_specs(self.model, subgraph, inputs=True),
            outputs=tensor_specs(self.model, subgraph, inputs=False),
            operations=dict(Counter("DISPATCH_OP" if kind == "CUSTOM" else kind for kind in kinds)),
            dtypes=dict(Counter(tensor_dtype(tensor) for tensor in subgraph.tensors).most_common()),
            bytes=len(self.content),
            delegation=Delegation(
                delegate=delegate,
                partitions=len(self.dispatched),
                delegated_ops=len(taken),
                total_ops=len(taken) + len(left),
                fallback=collect_fallbacks(self.model, left, lambda _kind, _operator: LEFT),
            ),
        )

    def _is_dispatch(self, operator: Any) -> bool:
        return bool(self.model.operatorCodes[operator.opcodeIndex].customCode == DISPATCH)

    def _bytecode(self, operator: Any) -> tuple[bytes, str]:
        """The binary of one operation, and its graph's name. Raises ArtefactError."""
        from flatbuffers import flexbuffers

        try:
            options = flexbuffers.Loads(bytes(operator.customOptions))
            start, size, graph = options["bytecode_offset"], options["bytecode_size"], options["name"]
        except (*MALFORMED, KeyError) as error:
            raise self._refused(f"whose {DISPATCH.decode()} says not where its binary is ({error})") from error
        if not 0 < start < start + size <= len(self.content):
            raise self._refused(f"whose binary would lie at {start} to {start + size} of {len(self.content)} bytes")
        return self.content[start : start + size], graph

    def _end(self, index: int) -> End:
        tensor = self.model.subgraphs[0].tensors[index]
        shape = tuple(int(size) for size in tensor.shape)
        return End(name=tensor.name.decode(), shape=shape, dtype=tensor_dtype(tensor))

    def _refused(self, why: str) -> ArtefactError:
        return ArtefactError(
            got=f"{self.path}, {why}", allowed="a file that `evit-mobile compile` wrote", do="compile the model again"
        )
