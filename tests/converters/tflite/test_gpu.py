"""The GPU judge without a driver: what it reads, what it refuses, and how it says so. With one: tests/gpu."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters import software_driver
from converters.contract import FloatType, Precision
from converters.errors import ArtefactError
from converters.tflite import gpu
from converters.tflite.child import Child
from scripts.gpu import variants
from tests.converters.tflite.tflite_helpers import content
from tests.lowering_helpers import export, quantize


def test_what_is_left_to_the_cpu_is_read_from_the_log() -> None:
    log = [
        "INFO: something",
        "ERROR: Following operations are not supported by GPU delegate:",
        "LOG_SOFTMAX: Operation is not supported.",
        "CUMSUM: Operation is not supported.",
        "1 operations will run on the GPU, and the remaining 2 operations will run on the CPU.",
        "I0000 more",
    ]
    assert gpu.operations_left(log) == log[2:4]
    assert gpu.operations_left(log[:1]) == []
    assert gpu.operations_left([*log, *log]) == log[2:4]


@pytest.mark.parametrize(("int8", "least"), [(False, 80.0), (True, 20.0)])
def test_int8_files_may_be_codes_apart_and_floats_only_in_last_bits(int8: bool, least: float, tmp_path: Path) -> None:
    x = torch.randn(1, 3, 8, 8)
    program = export(nn.Conv2d(3, 4, 1), x)
    path = tmp_path / "m.tflite"
    path.write_bytes(content(quantize(program, x), Precision.INT8) if int8 else content(program))
    assert gpu.least_db(path) == least


def test_sqnr_of_what_is_not_finite_reaches_no_threshold() -> None:
    values = np.array([1.0, 2.0], np.float32)
    assert gpu.sqnr_db(values, values) == np.inf
    assert gpu.sqnr_db(values * np.float32(1.1), values) == pytest.approx(20, abs=0.01)
    for bad in (np.nan, np.inf):
        assert not gpu.sqnr_db(np.array([1.0, bad], np.float32), values) >= 0


def test_the_page_has_the_table_of_what_was_measured() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "gpu.md").read_text("utf-8")
    assert "\n".join(variants.table(variants.read(), variants.VARIANTS)) in page


def test_outputs_of_zeros_owe_zeros() -> None:
    zeros = np.zeros(2, np.float32)
    assert gpu.sqnr_db(zeros, zeros) == np.inf
    assert gpu.sqnr_db(zeros + 1, zeros) == -np.inf


class Host:
    """Describes one int8 input and output of three values."""

    def get_input_details(self) -> list[dict[str, object]]:
        return [{"shape": [1, 3], "dtype": np.int8}]

    get_output_details = get_input_details


def on_gpu(path: Path, said: str) -> gpu.GpuInterpreter:
    """An interpreter whose process answers every input with itself after it has said this."""
    command = ["sh", "-c", f"echo '{said}' >&2; cat"]
    child = Child(command=command, environment={}, words="by a GPU", do="look")
    interpreter = gpu.GpuInterpreter(path, Host(), child)
    interpreter.set_tensor(0, np.array([[1, 2, 3]], np.int8))
    return interpreter


def test_a_shader_that_is_no_program_is_an_error_though_the_run_returned(tmp_path: Path) -> None:
    broken = on_gpu(tmp_path / "m.tflite", "ERROR: Error while parsing WGSL: line 7")
    with pytest.raises(ArtefactError, match=r"m\.tflite, of which LiteRT's GPU accelerator makes a shader.*line 7"):
        broken.invoke()


def test_what_the_process_left_to_the_cpu_is_read_from_its_log(tmp_path: Path) -> None:
    interpreter = on_gpu(tmp_path / "m.tflite", f"ERROR: Following {gpu.LEFT}\nCUMSUM: no")
    interpreter.invoke()
    assert interpreter.get_tensor(0).tolist() == [[1, 2, 3]]
    assert interpreter.left_to_cpu() == ["CUMSUM: no"]


def test_the_worker_is_told_the_floats_and_the_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "missing", lambda: None)
    monkeypatch.setattr(gpu, "folder", lambda: tmp_path)
    worker = tmp_path / "worker.py"
    worker.write_text(
        "import os, sys\nprint(sys.argv[1:], os.environ['VK_DRIVER_FILES'], file=sys.stderr)\n"
        "sys.stdout.buffer.write(sys.stdin.buffer.read(3))\n"
    )
    monkeypatch.setattr(gpu, "WORKER", worker)
    interpreter = gpu.open_on_gpu(tmp_path / "m.tflite", Host(), FloatType.FP32)
    interpreter.set_tensor(0, np.array([[1, 2, 3]], np.int8))
    interpreter.invoke()
    (line,) = interpreter.log()
    assert line == f"['fp32', '{tmp_path / 'm.tflite'}'] {tmp_path / software_driver.ICD}"
