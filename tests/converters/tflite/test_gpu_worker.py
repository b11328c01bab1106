"""The process that runs a file on the accelerator, with a stand-in for the accelerator: what it does when that gives up, waits, refuses."""

from __future__ import annotations

import io
import os
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from converters.tflite import gpu_worker


class Buffer:
    def __init__(self) -> None:
        self.values = np.zeros(3, np.int8)

    def write(self, values: np.ndarray) -> None:
        self.values = values

    def read(self, count: int, dtype: type) -> np.ndarray:
        return self.values.reshape(-1)[:count].astype(dtype)


class Negating:
    """In the accelerator's place: gives the negative of (1, 3) int8, and gives up as often as `fails` says."""

    opened: ClassVar[list[Any]] = []
    fails = 0

    def get_signature_list(self) -> dict[str, object]:
        return {"serving_default": {}}

    def get_input_tensor_details(self, signature: str) -> dict[str, dict[str, object]]:
        return {signature: {"dtype": np.int8, "shape": (1, 3)}}

    get_output_tensor_details = get_input_tensor_details

    def create_input_buffers(self, _index: int) -> list[Buffer]:
        return [Buffer()]

    create_output_buffers = create_input_buffers

    def run_by_index(self, _index: int, inputs: list[Buffer], outputs: list[Buffer]) -> None:
        if Negating.fails:
            Negating.fails -= 1
            raise RuntimeError("gave up")
        outputs[0].write(-inputs[0].values)

    @classmethod
    def from_file(cls, model: str, options: Any) -> Negating:
        if model == "bad.tflite":
            raise RuntimeError("Failed to\n  compile")
        cls.opened.append(options)
        return cls()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time that the worker waited for the driver."""
    waited: list[None] = []
    monkeypatch.setattr(gpu_worker, "CompiledModel", Negating)
    monkeypatch.setattr(gpu_worker, "settle", lambda: waited.append(None))
    monkeypatch.setattr(Negating, "opened", [])
    monkeypatch.setattr(Negating, "fails", 0)
    return waited


def served(floats: str, requests: bytes, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(requests)))
    read, write = os.pipe()
    with os.fdopen(read, "rb") as results:
        gpu_worker.serve("m.tflite", floats, write)
        return results.read()


@pytest.mark.usefixtures("waits")
def test_every_input_has_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    given = served("fp16", np.arange(6, dtype=np.int8).tobytes(), monkeypatch)
    assert np.frombuffer(given, np.int8).tolist() == [0, -1, -2, -3, -4, -5]


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(("floats", "enforced"), [("fp32", True), ("fp16", False)])
def test_fp32_is_enforced_where_it_is_asked_for(floats: str, enforced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    served(floats, b"", monkeypatch)
    (options,) = Negating.opened
    assert bool(options.gpu_options.enforce_f32) is enforced
    assert options.cpu_options.num_threads == 1


def test_a_first_run_that_is_given_up_opens_the_file_again(waits: list[None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Negating, "fails", 1)
    assert served("fp16", b"\1\2\3", monkeypatch) == b"\xff\xfe\xfd"
    assert (len(Negating.opened), len(waits)) == (2, 1)


def test_shaders_are_waited_for_before_the_first_answer(waits: list[None], monkeypatch: pytest.MonkeyPatch) -> None:
    served("fp16", b"", monkeypatch)
    assert (len(Negating.opened), len(waits)) == (1, 1)


@pytest.mark.usefixtures("waits")
def test_a_file_that_is_refused_ends_it_with_the_reason_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu_worker.Session("bad.tflite", "fp16")
    assert ended.value.code == os.EX_DATAERR
    assert capsys.readouterr().err == "Failed to compile\n"


class Clock:
    """In the place of `time`: a process that computes for `busy` seconds and then, now and then, a little."""

    def __init__(self, busy: float) -> None:
        self.now, self.spent, self.busy = 0.0, 0.0, busy

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.spent += seconds * (0.5 if self.now <= self.busy else 0.001)

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.spent


@pytest.mark.parametrize(
    ("busy", "waited"),
    [(0.0, gpu_worker.QUIET_S), (20.0, 20.0 + gpu_worker.QUIET_S), (1e9, gpu_worker.LONGEST_S)],
    ids=["idle", "busy at first", "busy for ever"],
)
def test_it_waits_until_nothing_is_computed_for_a_while(
    busy: float, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(busy)
    monkeypatch.setattr(gpu_worker, "time", clock)
    gpu_worker.settle()
    assert clock.now == waited
