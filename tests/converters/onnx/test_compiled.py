"""A compiled file says for whom it is and what it takes; what it says is read back, and other files are refused."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from converters.contract import Inspection, Layout, TensorSpec
from converters.errors import ArtefactError
from converters.onnx.compiled import Compiled, packed, spec_of
from converters.onnx.file import described, signed
from converters.qualcomm.emulator import End

IMAGE = TensorSpec(name="image", shape=(1, 3, 8, 8), dtype="int8", layout=Layout.NCHW, scale=0.5, zero_point=-3)
LOGITS = TensorSpec(name="logits", shape=(1, 10), dtype="float32")
IMAGE_END, LOGITS_END = (End(name=spec.name, shape=spec.shape, dtype=spec.dtype) for spec in (IMAGE, LOGITS))
SOURCE = Inspection(
    inputs=(IMAGE,), outputs=(LOGITS,), operations={"Conv": 3, "Add": 2}, dtypes={}, bytes=1, delegation=None
)


def provided(onnx: ModuleType, kind: str = "EPContext") -> Any:
    """What a provider writes: one node with the binary in it, and the metadata of the source."""
    helper = onnx.helper
    ends = [
        helper.make_tensor_value_info(name, kind, list(spec.shape))
        for name, spec, kind in (("image", IMAGE, onnx.TensorProto.INT8), ("logits", LOGITS, onnx.TensorProto.FLOAT))
    ]
    node = helper.make_node(
        kind, ["image"], ["logits"], domain="com.microsoft", ep_cache_context=b"binary", partition_name="g"
    )
    return described(helper.make_model(helper.make_graph([node], "main", ends[:1], ends[1:])), {"old": 1})


@pytest.mark.parametrize("spec", [IMAGE, LOGITS])
def test_an_end_is_read_back_from_json(spec: TensorSpec) -> None:
    stored = asdict(spec) | {"shape": list(spec.shape), "layout": spec.layout and str(spec.layout)}
    assert spec_of(stored) == spec


def test_what_is_packed_is_read_back(onnx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(packed(provided(onnx), SOURCE, "SM8650", {"description": "a net"}))
    compiled = Compiled(path)
    assert (compiled.soc, compiled.operations) == ("SM8650", 5)
    binary = compiled.binary()
    assert (binary.content, binary.graph) == (b"binary", "g")
    assert (binary.inputs, binary.outputs) == ((IMAGE_END,), (LOGITS_END,))
    inspection = compiled.inspection("Hexagon")
    assert (inspection.inputs, inspection.outputs) == ((IMAGE,), (LOGITS,))
    assert inspection.delegation is not None
    assert (inspection.delegation.delegate, inspection.delegation.delegated_ops) == ("Hexagon", 5)
    assert inspection.bytes == path.stat().st_size


def test_a_portable_file_and_one_of_other_nodes_are_refused(onnx: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for content in (signed(provided(onnx)), packed(provided(onnx, "Conv"), SOURCE, "SM8650", {})):
        path.write_bytes(content)
        with pytest.raises(ArtefactError, match=r"m\.onnx, which is not compiled for an NPU"):
            Compiled(path)
