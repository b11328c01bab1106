"""The emulator's own process: the model around a binary, and arrays in and out. Skipped without Qualcomm's wheel."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from converters.qualcomm import libraries
from converters.qualcomm.emulator import End
from tests.lazily import Lazily

if (absent := libraries.missing()) is not None:
    pytest.skip(absent, allow_module_level=True)

emulator_worker = Lazily("converters.qualcomm.emulator_worker")


IMAGE = End(name="image", shape=(1, 3), dtype="int8")
LOGITS = End(name="logits", shape=(1, 2), dtype="float32")
JOB = {
    "binary": "context.bin",
    "graph": "g",
    "soc": "57",
    "inputs": [IMAGE.to_json()],
    "outputs": [LOGITS.to_json()],
}


def test_the_binary_is_the_only_node(tmp_path: Path) -> None:
    from onnx import load

    model = load(emulator_worker.wrapped(tmp_path, JOB))
    (node,) = model.graph.node
    fields = {attribute.name: attribute for attribute in node.attribute}
    assert (node.op_type, node.domain, node.name) == ("EPContext", "com.microsoft", "g")
    assert (fields["ep_cache_context"].s, fields["partition_name"].s) == (b"context.bin", b"g")
    assert (fields["embed_mode"].i, fields["main_context"].i) == (0, 1)
    assert fields["source"].s.decode() == "QNNExecutionProvider"
    (image,), (logits,) = model.graph.input, model.graph.output
    assert (image.name, image.type.tensor_type.elem_type) == ("image", 3)  # TensorProto.INT8
    assert (logits.name, logits.type.tensor_type.elem_type) == ("logits", 1)  # TensorProto.FLOAT


def test_arrays_come_by_name_until_the_input_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    content = np.array([1, -2, 3], np.int8).tobytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content + content[:2])))
    given = emulator_worker.values(JOB["inputs"])
    assert {name: array.tolist() for name, array in given.items()} == {"image": [[1, -2, 3]]}
    assert emulator_worker.values(JOB["inputs"]) is None


def test_every_input_is_answered_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        def run(self, names: list[str], given: dict[str, Any]) -> list[np.ndarray]:
            assert names == ["logits"]
            return [given["image"][:, :2].astype(np.float32) / 2]

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(bytes([2, 4, 6, 8, 10, 12]))))
    answers = io.BytesIO()
    emulator_worker.serve(Session(), JOB, answers)
    assert np.frombuffer(answers.getvalue(), np.float32).tolist() == [1, 2, 4, 5]


def test_where_the_graph_is_by_provider() -> None:
    def part(provider: str, *kinds: str) -> SimpleNamespace:
        return SimpleNamespace(ep_name=provider, get_nodes=lambda: [SimpleNamespace(op_type=kind) for kind in kinds])

    session = SimpleNamespace(
        get_provider_graph_assignment_info=lambda: [
            part("QNNExecutionProvider", "EPContext"),
            part("CPUExecutionProvider", "Softmax"),
        ],
        get_provider_options=lambda: {"QNNExecutionProvider": {"soc_model": "57"}, "CPUExecutionProvider": {}},
    )
    assert json.loads(json.dumps(emulator_worker.where(session))) == {
        "nodes": {"QNNExecutionProvider": ["EPContext"], "CPUExecutionProvider": ["Softmax"]},
        "soc": "57",
    }
    session.get_provider_options = dict
    assert emulator_worker.where(session)["soc"] is None
