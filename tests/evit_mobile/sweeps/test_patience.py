"""Trying again: only what may pass, with growing pauses, and not forever."""

from __future__ import annotations

import errno

import pytest

from evit_mobile.sweeps.patience import LONGEST_WAIT_S, passes, patiently


def test_patience_ends_and_is_not_wasted() -> None:
    waits: list[float] = []

    def fails(error: Exception) -> None:
        raise error

    for lasting in (PermissionError("no"), OSError(28, "No space left"), ValueError("ours")):
        with pytest.raises(type(lasting)):
            patiently(lambda lasting=lasting: fails(lasting), sleep=waits.append)  # type: ignore[misc]
    assert waits == []
    with pytest.raises(OSError, match="503"):
        patiently(lambda: fails(OSError(16, "503")), patience_s=10, sleep=waits.append)
    assert 10 <= sum(waits) < 40


def of_library(module: str) -> Exception:
    """An error of another library, which is no OSError."""
    return type("ClientError", (Exception,), {"__module__": module})("503")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "a cable"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (of_library("botocore.exceptions"), True),
        (of_library("google.api_core.exceptions"), True),
        (of_library("botocore2"), False),
        (ValueError("ours"), False),
        (FileNotFoundError(), False),
        (FileExistsError(), False),
        (NotADirectoryError(), False),
        (OSError(errno.EDQUOT, "quota"), False),
        (OSError(errno.EROFS, "read only"), False),
    ],
)
def test_which_errors_may_be_gone_the_next_time(error: Exception, expected: bool) -> None:
    assert passes(error) is expected


def test_pauses_double_up_to_the_longest_and_the_answer_counts() -> None:
    waits: list[float] = []

    def away() -> str:
        if len(waits) < 8:
            raise TimeoutError
        return "there"

    assert patiently(away, sleep=waits.append) == "there"
    assert waits == [0.5, 1, 2, 4, 8, 16, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_an_interruption_is_not_waited_out() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        patiently(interrupted, sleep=lambda _: pytest.fail("waited"))
