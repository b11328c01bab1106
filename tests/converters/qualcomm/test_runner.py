"""Images shared between processes come back in their order."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any, cast

import numpy as np
import pytest

from converters.errors import ToolchainError
from converters.qualcomm.runner import PROCESSES, EmulatedRunner


class Tenfold:
    """An emulator and its runner in one: what it was given, and ten times that."""

    def __init__(self, core: int) -> None:
        self.core = core
        self.given: list[int] = []
        self.ended = threading.Event()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.given.append(len(images))
        return images.reshape(len(images), -1)[:, :1] * 10

    def end(self) -> None:
        self.ended.set()


def images(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1) * np.ones((1, 3, 2, 2), np.float32)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Tenfold]:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return []


def emulated(opened: list[Tenfold], kind: type[Tenfold] = Tenfold) -> EmulatedRunner:
    def open_one(core: int) -> Any:
        opened.append(kind(core))
        return opened[-1]

    return EmulatedRunner(open_one, lambda emulator: cast(Any, emulator))


@pytest.mark.parametrize(("count", "shares"), [(1, [1]), (2, [1, 1]), (5, [2, 3])])
def test_outputs_keep_the_order_of_the_images(count: int, shares: list[int], opened: list[Tenfold]) -> None:
    found = emulated(opened)(images(count))
    assert found.tolist() == [[10.0 * number] for number in range(count)]
    assert sorted(share for one in opened for share in one.given) == shares
    assert not any(one.ended.is_set() for one in opened)


@pytest.mark.parametrize(("cores", "processes"), [({3, 4, 9}, PROCESSES), ({3, 9}, PROCESSES), ({5}, 1)])
def test_every_process_has_a_core_of_its_own_that_this_one_may_use(
    cores: set[int], processes: int, opened: list[Tenfold], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
    emulated(opened)
    used = {one.core for one in opened}
    assert len(opened) == len(used) == processes
    assert used <= cores


class Slow(Tenfold):
    """Has no answer before it is ended."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        assert self.ended.wait(600)
        return images


class Failing(Slow):
    """All but the first image, which one runner has, are slow."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if images[0, 0, 0, 0] == 0:
            raise ToolchainError(got="an end", allowed="an answer", do="try again")
        return super().__call__(images)


class Interrupted(Slow):
    """The first image orders this process to end."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if images[0, 0, 0, 0] == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().__call__(images)


@pytest.mark.parametrize(("kind", "raised"), [(Failing, ToolchainError), (Interrupted, KeyboardInterrupt)])
def test_a_failure_of_one_ends_the_others_and_so_does_ctrl_c(
    kind: type[Tenfold], raised: type[BaseException], opened: list[Tenfold]
) -> None:
    with pytest.raises(raised):
        emulated(opened, kind)(images(3))
    assert all(one.ended.is_set() for one in opened)
