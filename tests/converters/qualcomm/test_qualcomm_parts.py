"""What needs no library of Qualcomm's: the table of SoCs, the stand-in, what is missing, and what a process has to say of itself."""

from __future__ import annotations

import ctypes
import json
import platform
from pathlib import Path

import numpy as np
import pytest

from converters.errors import ToolchainError, UnknownSocError
from converters.qualcomm import emulator, libraries
from converters.qualcomm.emulator import Binary, Emulator, End
from converters.qualcomm.socs import SOCS, USUAL, find_soc, find_socs
from converters.registry import find_target
from evit_mobile.errors import UsageError
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets

BINARY = Binary(
    content=b"compiled",
    graph="g",
    inputs=(End(name="image", shape=(1, 3), dtype="int8"),),
    outputs=(End(name="logits", shape=(1, 3), dtype="int8"),),
)
HONEST = {"nodes": {emulator.PROVIDER: ["EPContext"]}, "soc": "57"}
WORKER = """
import sys
sys.stdout.buffer.write({said!r})
sys.stdout.flush()
while {said!r} and (content := sys.stdin.buffer.read(3)):
    sys.stdout.buffer.write(content[:{answered}])
    sys.stdout.flush()
    {then}
"""


def test_socs_are_found_in_any_case_and_once() -> None:
    assert [soc.name for soc in find_socs(["sm8650", "SM8750", "Sm8650"])] == ["SM8650", "SM8750"]
    assert [SOCS[name].architecture for name in USUAL] == [73, 75, 79, 81]
    assert len({soc.number for soc in SOCS.values()}) == len(SOCS)


def test_an_unknown_soc_lists_the_known() -> None:
    with pytest.raises(UnknownSocError, match=r"'SM9999'.*SM8350 .*v68.*SM8850") as caught:
        find_soc("SM9999")
    assert caught.value.exit_code == 2
    with pytest.raises(UnknownSocError):
        ConvertRequest.of(socs=["SM9999"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "fp32"}, "--soc with --int8, --int8-full or --a16w8"),
        ({"formats": ["executorch"]}, "--soc with --format tflite or onnx"),
    ],
)
def test_what_is_not_compiled_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ConvertRequest.of(socs=["SM8650"], **options)


def test_without_the_wheel_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "find_spec", lambda _name: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ToolchainError, match=r"pip install 'evit-mobile\[qualcomm\]'.*licence") as caught:
        usable_targets(ConvertRequest.of(formats=["tflite"], socs=["SM8650"]))
    assert caught.value.exit_code == 3
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "x86-64" in str(libraries.missing())


def test_a_judge_says_whose_emulator_it_is() -> None:
    assert find_target("tflite-sm8650").runtime == "Qualcomm's HTP emulator for SM8650 on x86-64"


@pytest.mark.skipif(platform.machine() != "x86_64" or platform.system() != "Linux", reason="a library for x86-64 Linux")
def test_the_stand_in_is_a_library_with_nothing_in_it(tmp_path: Path) -> None:
    path = tmp_path / libraries.ABSENT
    path.write_bytes(libraries.empty_library(libraries.ABSENT))
    library = ctypes.CDLL(str(path))
    with pytest.raises(AttributeError):
        _ = library.QnnInterface_getProviders


def emulated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: object, answered: int = 3, then: str = "pass"
) -> Emulator:
    """With a process in the worker's place that says this, and answers the first bytes of what it gets."""
    line = said if isinstance(said, bytes) else json.dumps(said).encode() + b"\n"
    path = tmp_path / "worker.py"
    path.write_text(WORKER.format(said=line, answered=answered, then=then))
    monkeypatch.setattr(emulator, "WORKER", path)
    return Emulator(BINARY, find_soc("SM8650"))


def test_a_process_that_is_the_emulator_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = emulated(monkeypatch, tmp_path, HONEST)
    for values in ([[1, 2, 3]], [[-4, 5, 6]]):
        (answer,) = run(np.array(values, np.int8))
        assert answer.tolist() == values


@pytest.mark.parametrize(
    "said",
    [
        {**HONEST, "nodes": {"CPUExecutionProvider": ["EPContext"]}},
        {**HONEST, "nodes": {emulator.PROVIDER: ["EPContext"], "CPUExecutionProvider": ["Softmax"]}},
        {**HONEST, "soc": None},
        {**HONEST, "soc": "69"},
    ],
    ids=["cpu", "partly cpu", "no soc", "another soc"],
)
def test_what_runs_elsewhere_is_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: object) -> None:
    with pytest.raises(ToolchainError, match="SM8650, which was not what ran it"):
        emulated(monkeypatch, tmp_path, said)


def test_a_process_that_ends_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="does not take the binary"):
        emulated(monkeypatch, tmp_path, b"")
    run = emulated(monkeypatch, tmp_path, HONEST, answered=1, then="sys.exit(7)")
    with pytest.raises(ToolchainError, match=r"ended while it ran \(exit code 7\)"):
        run(np.zeros((1, 3), np.int8))


SAID = f"print({json.dumps(HONEST)!r}, flush=True)"


@pytest.mark.parametrize("worker", ["time.sleep(600)", f"{SAID}; time.sleep(600)"], ids=["as it loads", "as it runs"])
def test_an_emulator_that_hangs_is_ended_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, worker: str) -> None:
    monkeypatch.setattr(emulator, "LIMIT_S", 2.0)
    path = tmp_path / "worker.py"
    path.write_text(f"import time; {worker}")
    monkeypatch.setattr(emulator, "WORKER", path)
    with pytest.raises(ToolchainError, match=r"emulator of SM8650, which gave no answer within 2 s"):
        Emulator(BINARY, find_soc("SM8650"))(np.zeros((1, 3), np.int8))
