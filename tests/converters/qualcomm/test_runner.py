"""Images shared between processes come back in their order."""

from __future__ import annotations

import os

import numpy as np
import pytest

from converters.errors import ToolchainError
from converters.qualcomm.runner import PROCESSES, EmulatedRunner


class Tenfold:
    """A runner of one process: what it was given, and ten times that."""

    def __init__(self) -> None:
        self.given: list[int] = []

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.given.append(len(images))
        return images.reshape(len(images), -1)[:, :1] * 10


def images(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1) * np.ones((1, 3, 2, 2), np.float32)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Tenfold]:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    return []


def emulated(opened: list[Tenfold]) -> EmulatedRunner:
    def open_one() -> Tenfold:
        opened.append(Tenfold())
        return opened[-1]

    return EmulatedRunner(open_one)


@pytest.mark.parametrize(("count", "shares"), [(1, [1]), (2, [1, 1]), (5, [2, 3])])
def test_outputs_keep_the_order_of_the_images(count: int, shares: list[int], opened: list[Tenfold]) -> None:
    found = emulated(opened)(images(count))
    assert found.tolist() == [[10.0 * number] for number in range(count)]
    assert sorted(share for one in opened for share in one.given) == shares


@pytest.mark.parametrize(("cores", "processes"), [(8, PROCESSES), (1, 1), (None, 1)])
def test_no_more_processes_than_cores(
    cores: int | None, processes: int, opened: list[Tenfold], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    emulated(opened)
    assert len(opened) == processes


def test_a_failure_of_one_is_a_failure() -> None:
    def failing(_images: np.ndarray) -> np.ndarray:
        raise ToolchainError(got="an end", allowed="an answer", do="try again")

    with pytest.raises(ToolchainError, match="got an end"):
        EmulatedRunner(lambda: failing)(images(3))
