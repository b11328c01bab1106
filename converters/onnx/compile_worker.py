"""Compiles one .onnx file for one SoC, in a process of its own: the first session of a process decides on the SoC of all.

    python compile_worker.py SOURCE TARGET SOC

TARGET becomes a model whose only node is the binary; where Hexagon does not take the whole of SOURCE, the process ends with ONNX
Runtime's words. It imports nothing of this project.
"""

from __future__ import annotations

import sys
from typing import Any

import onnxruntime
import onnxruntime_qnn

PROVIDER = onnxruntime_qnn.get_ep_name()
ERRORS = 3
SETTINGS = {
    "session.disable_cpu_ep_fallback": "1",
    "ep.context_enable": "1",
    "ep.context_embed_mode": "1",
}


def main() -> None:
    source, target, soc = sys.argv[1:]
    onnxruntime.register_execution_provider_library(PROVIDER, onnxruntime_qnn.get_library_path())
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS
    for key, value in {**SETTINGS, "ep.context_file_path": target}.items():
        options.add_session_config_entry(key, value)
    provider = {
        "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
        "soc_model": soc,
        "offload_graph_io_quantization": "0",  # quantizing the input and dequantizing the output is Hexagon's, too
    }
    options.add_provider_for_devices(devices[:1], provider)
    onnxruntime.InferenceSession(source, options)


if __name__ == "__main__":
    main()
