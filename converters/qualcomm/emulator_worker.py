"""The other end of `converters.qualcomm.emulator`: executes one compiled binary for one SoC, in a process of its own.

    python emulator_worker.py FOLDER

FOLDER holds job.json and the binary. Says on its standard output, in one line of JSON, where ONNX Runtime has put the graph; then reads
inputs on standard input and answers each with the output, as bytes. It imports nothing of this project.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnxruntime
import onnxruntime_qnn
from onnx import TensorProto, helper, save

QUIET = 3
PROVIDER = onnxruntime_qnn.get_ep_name()


def wrapped(folder: Path, job: dict[str, Any]) -> Path:
    """A model whose only node is the binary."""
    inputs, outputs = (
        [
            helper.make_tensor_value_info(end["name"], TensorProto.DataType.Value(end["type"]), end["shape"])
            for end in ends
        ]
        for ends in (job["inputs"], job["outputs"])
    )
    node = helper.make_node(
        "EPContext",
        [end["name"] for end in job["inputs"]],
        [end["name"] for end in job["outputs"]],
        domain="com.microsoft",
        name=job["graph"],
        partition_name=job["graph"],
        main_context=1,
        embed_mode=0,
        ep_cache_context=job["binary"],
        source=PROVIDER,
    )
    graph = helper.make_graph([node], "compiled", inputs, outputs)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "model.onnx")
    return folder / "model.onnx"


def open_session(model: Path, soc: str) -> Any:
    """A session on the emulator of `soc`. The provider is added by its device: named in `providers=`, ONNX Runtime takes the CPU instead
    without a word where it does not know the name.
    """
    onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = QUIET
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.add_provider_for_devices(
        devices[:1], {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), "soc_model": soc}
    )
    return onnxruntime.InferenceSession(str(model), options)


def where(session: Any) -> dict[str, Any]:
    """Which provider has which nodes, and the SoC that the session really has."""
    nodes = {
        part.ep_name: [node.op_type for node in part.get_nodes()]
        for part in session.get_provider_graph_assignment_info()
    }
    return {"nodes": nodes, "soc": session.get_provider_options().get(PROVIDER, {}).get("soc_model")}


def serve(session: Any, job: dict[str, Any], answers: BinaryIO) -> None:
    """Runs on whatever comes: an array for each input, in their order."""
    while (given := values(job["inputs"])) is not None:
        for output in session.run([end["name"] for end in job["outputs"]], given):
            answers.write(np.ascontiguousarray(output).tobytes())
        answers.flush()


def values(ends: list[dict[str, Any]]) -> dict[str, np.ndarray[Any, Any]] | None:
    """Arrays from standard input, by name; None at its end."""
    given = {}
    for end in ends:
        dtype = np.dtype(end["dtype"])
        size = math.prod(end["shape"]) * dtype.itemsize
        content = sys.stdin.buffer.read(size)
        if len(content) != size:
            return None
        given[end["name"]] = np.frombuffer(content, dtype).reshape(end["shape"])
    return given


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Qualcomm's libraries print on standard output
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text())
    if job["core"] is not None:
        os.sched_setaffinity(0, {job["core"]})
    session = open_session(wrapped(folder, job), job["soc"])
    answers.write(json.dumps(where(session)).encode() + b"\n")
    answers.flush()
    serve(session, job, answers)


if __name__ == "__main__":
    main()
