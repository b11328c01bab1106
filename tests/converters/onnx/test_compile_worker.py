"""What the compiling process asks of ONNX Runtime: nothing on the CPU, for this SoC. Skipped without Qualcomm's wheel."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from converters.qualcomm import libraries
from tests.lazily import Lazily

if (absent := libraries.missing()) is not None:
    pytest.skip(absent, allow_module_level=True)

compile_worker = Lazily("converters.onnx.compile_worker")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the session is opened with, in place of opening it."""
    import onnxruntime

    asked: dict[str, Any] = {}

    class Recording(onnxruntime.SessionOptions):
        def add_provider_for_devices(self, devices: list[Any], options: dict[str, str]) -> None:
            asked.update(devices=devices, provider=options)

    monkeypatch.setattr(onnxruntime, "SessionOptions", Recording)
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda source, options: asked.update(source=source, options=options)
    )
    monkeypatch.setattr(sys, "argv", ["compile_worker.py", "m.onnx", "compiled.onnx", "57"])
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", lambda *_: None)
    compile_worker.main()
    return asked


def test_the_binary_goes_into_the_file_and_nothing_to_the_cpu(asked: dict[str, Any]) -> None:
    entries = {
        "session.disable_cpu_ep_fallback": "1",
        "ep.context_enable": "1",
        "ep.context_embed_mode": "1",
        "ep.context_file_path": "compiled.onnx",
    }
    assert {key: asked["options"].get_session_config_entry(key) for key in entries} == entries
    assert asked["source"] == "m.onnx"


def test_it_is_for_this_soc_and_whole(asked: dict[str, Any]) -> None:
    assert asked["provider"]["soc_model"] == "57"
    assert asked["provider"]["backend_path"].endswith("libQnnHtp.so")
    assert asked["provider"]["offload_graph_io_quantization"] == "0"


def test_three_arguments_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compile_worker.py", "m.onnx"])
    with pytest.raises(ValueError, match="unpack"):
        compile_worker.main()
