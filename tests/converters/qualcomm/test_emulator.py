"""What a process has to say of itself to count as the emulator of a SoC. None of it needs a library of Qualcomm's."""

from __future__ import annotations

import gc
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from converters.errors import ToolchainError
from converters.qualcomm import emulator
from converters.qualcomm.emulator import Binary, Emulator, End
from converters.qualcomm.socs import find_soc

BINARY = Binary(
    content=b"compiled",
    graph="g",
    inputs=(End(name="image", shape=(1, 3), dtype="int8"),),
    outputs=(End(name="logits", shape=(1, 3), dtype="int8"),),
)
IMAGE = np.array([[1, 2, 3]], np.int8)
HONEST = {"nodes": {emulator.PROVIDER: ["EPContext"]}, "soc": "57"}
SAID = f"print({json.dumps(HONEST)!r}, flush=True)"
WORKER = """
import sys
sys.stdout.buffer.write({said!r})
sys.stdout.flush()
while {said!r} and (content := sys.stdin.buffer.read(3)):
    sys.stdout.buffer.write(content[:{answered}])
    sys.stdout.flush()
    {then}
"""


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
        emulated(monkeypatch, tmp_path, said)(IMAGE)


def test_several_load_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each says that it is there when the other is: one that was waited for would not."""
    path = tmp_path / "worker.py"
    path.write_text(
        "import pathlib, sys, time\n"
        "there = pathlib.Path(sys.argv[0]).parent / 'there'\n"
        "with there.open('a') as file: file.write('1')\n"
        f"while len(there.read_text()) < 2: time.sleep(0.01)\n{SAID}\n"
        "sys.stdout.buffer.write(sys.stdin.buffer.read(3))"
    )
    monkeypatch.setattr(emulator, "WORKER", path)
    monkeypatch.setattr(emulator, "LIMIT_S", 60.0)
    first, second = (Emulator(BINARY, find_soc("SM8650")) for _ in range(2))
    for run in (second, first):
        assert run(IMAGE)[0].tolist() == IMAGE.tolist()


def test_a_process_that_ends_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="does not take the binary"):
        emulated(monkeypatch, tmp_path, b"")(IMAGE)
    run = emulated(monkeypatch, tmp_path, HONEST, answered=1, then="sys.exit(7)")
    with pytest.raises(ToolchainError, match=r"ended while it ran \(exit code 7\)"):
        run(IMAGE)


@pytest.mark.parametrize("worker", ["time.sleep(600)", f"{SAID}; time.sleep(600)"], ids=["as it loads", "as it runs"])
def test_an_emulator_that_hangs_is_ended_and_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, worker: str) -> None:
    monkeypatch.setattr(emulator, "LIMIT_S", 2.0)
    path = tmp_path / "worker.py"
    path.write_text(f"import time; {worker}")
    monkeypatch.setattr(emulator, "WORKER", path)
    with pytest.raises(ToolchainError, match=r"emulator of SM8650, which gave no answer within 2 s"):
        Emulator(BINARY, find_soc("SM8650"))(IMAGE)


def test_an_end_by_onnx_s_names() -> None:
    end = End(name="image", shape=(1, 3), dtype="uint8")
    assert end.to_json() == {"name": "image", "shape": (1, 3), "dtype": "uint8", "type": "UINT8"}
    with pytest.raises(KeyError, match="int64"):
        End(name="image", shape=(1, 3), dtype="int64").to_json()


def test_the_process_is_told_its_job_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    path = tmp_path / "worker.py"
    path.write_text(
        "import pathlib, shutil, sys\n"
        f"pathlib.Path({str(said)!r}).write_text(sys.argv[1])\n"
        f"shutil.copytree(sys.argv[1], {str(tmp_path / 'copy')!r})\n{SAID}\n"
        "sys.stdout.buffer.write(sys.stdin.buffer.read(3))"
    )
    monkeypatch.setattr(emulator, "WORKER", path)
    run = Emulator(BINARY, find_soc("SM8650"), 3)
    run(IMAGE)
    job = json.loads((tmp_path / "copy" / "job.json").read_text())
    assert (job["soc"], job["graph"], job["binary"], job["core"]) == ("57", "g", emulator.BINARY, 3)
    assert job["inputs"] == [{"name": "image", "shape": [1, 3], "dtype": "int8", "type": "INT8"}]
    assert (tmp_path / "copy" / emulator.BINARY).read_bytes() == b"compiled"
    assert Path(said.read_text()).is_dir()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join()  # it is cancelled, and knows the emulator until it has ended
    del run, thread
    gc.collect()
    assert not Path(said.read_text()).exists()


def test_only_the_end_of_what_was_printed_is_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "worker.py"
    path.write_text("import sys; sys.exit('first words' + 600 * '.' + 'last words')")
    monkeypatch.setattr(emulator, "WORKER", path)
    with pytest.raises(ToolchainError, match=r"\(exit code 1\): \.+last words") as caught:
        Emulator(BINARY, find_soc("SM8650"))(IMAGE)
    assert "first words" not in str(caught.value)
