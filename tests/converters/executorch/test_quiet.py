"""The known noise goes, and nothing else; whatever is switched is switched back."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import pytest

from converters.executorch.quiet import captured_native_log, quiet_partitioner, quiet_toolchain

NOISE = "Failed to load /venv/torchao/_C.cpython-311.so: libcudart.so.13 is not there"


def test_known_lines_of_known_loggers_only(caplog: pytest.LogCaptureFixture) -> None:
    torchao, other = logging.getLogger("torchao"), logging.getLogger("another")
    with quiet_toolchain():
        torchao.warning(NOISE)
        torchao.warning("Something new")
        other.warning(NOISE)
        logging.getLogger("torch.utils._pytree").warning("%s is an Enum subclass", "Colour")
    torchao.warning(NOISE)
    assert [record.getMessage() for record in caplog.records] == ["Something new", NOISE, NOISE]


def test_the_root_logger_is_as_before_also_through_an_error() -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    @quiet_toolchain()
    def imports() -> None:
        root.addHandler(logging.NullHandler())
        root.setLevel(logging.DEBUG)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        imports()
    assert root.handlers == before
    assert root.level == level


def test_other_warnings_pass() -> None:
    with quiet_toolchain(), pytest.warns(FutureWarning, match="another thing"):
        warnings.warn("another thing", FutureWarning, stacklevel=1)
    with quiet_toolchain():
        warnings.warn("`isinstance(treespec, LeafSpec)` is deprecated", FutureWarning, stacklevel=1)


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_partitioners_are_heard_above_a_level(level: int, caplog: pytest.LogCaptureFixture) -> None:
    logger, disabled = logging.getLogger("partitioner"), logging.root.manager.disable

    @quiet_partitioner(level)
    def partition() -> None:
        logging.getLogger().setLevel(logging.DEBUG)  # as theirs do
        logger.log(level, "found")
        logger.log(level + 10, "wrong")
        raise ZeroDivisionError

    before = logging.getLogger().level
    with pytest.raises(ZeroDivisionError):
        partition()
    assert [record.getMessage() for record in caplog.records] == ["wrong"]
    assert logging.root.manager.disable == disabled
    assert logging.getLogger().level == before


def test_what_native_code_prints_is_collected_without_the_known_noise(capfd: pytest.CaptureFixture[str]) -> None:
    with captured_native_log() as log:
        os.write(2, b"[cpuinfo_utils.cpp:71] Reading file /sys/midr\n[method.cpp:12] Missing operator\n\xff last")
    print("after", file=sys.stderr)
    assert log.lines == ("[method.cpp:12] Missing operator", "� last")
    assert capfd.readouterr().err == "after\n"


def test_standard_error_is_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        failing()
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@captured_native_log()
def failing() -> None:
    os.write(2, b"lost\n")
    raise ZeroDivisionError
