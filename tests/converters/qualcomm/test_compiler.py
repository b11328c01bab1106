"""A compiler's process, with one of the test's own in its place: what it refuses, how long it may take, and that Ctrl-C ends it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

from converters.errors import ToolchainError
from converters.qualcomm import compiler
from converters.qualcomm.compiler import LAST_WORDS, Compiler, last_words
from converters.qualcomm.socs import find_soc

SOC = find_soc("SM8650")
WRITE = "open(target, 'w').write('compiled ' + soc)"


def standing_in(folder: Path, code: str) -> Compiler:
    """A process that runs `code`, which knows the names `target` and `soc`."""
    written = folder / "written"
    command = [
        sys.executable,
        "-c",
        f"import os, signal, sys, time\ntarget, soc = sys.argv[1:]\n{code}",
        str(written),
        "57",
    ]
    return Compiler(command=command, portable=folder / "m.toy", written=written, soc=SOC, environment={"WHERE": "here"})


def written_number(folder: Path) -> int:
    return int((folder / "written").read_text())


def test_a_file_is_written_with_an_environment_of_its_own(tmp_path: Path) -> None:
    standing_in(tmp_path, WRITE + "; assert os.environ['WHERE'] == 'here' and os.environ['PATH']").run()
    assert (tmp_path / "written").read_text() == "compiled 57"
    assert "WHERE" not in os.environ


@pytest.mark.parametrize("code", ["sys.exit('no GELU')", "print('no GELU')", f"{WRITE}; sys.exit('no GELU')"])
def test_a_failure_and_no_file_are_refused_with_the_last_words(code: str, tmp_path: Path) -> None:
    with pytest.raises(ToolchainError) as caught:
        standing_in(tmp_path, code).run()
    assert caught.value.got == "m.toy, which Qualcomm's compiler does not take for SM8650: no GELU"
    assert caught.value.exit_code == 3


def test_words_are_those_of_errors_where_there_are_such() -> None:
    printed = f"{LAST_WORDS * '.'}\n  0.0ms [ ERROR ] no room\n  0.0ms [  INFO ] freed\nERROR: failed\nINFO: closed\n"
    assert last_words(printed) == "0.0ms [ ERROR ] no room\nERROR: failed"
    assert last_words(printed.replace("ERROR", "E")) == printed.replace("ERROR", "E").strip()[-LAST_WORDS:]
    assert last_words("") == ""


def test_one_that_hangs_is_ended_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "LIMIT_S", 2.0)
    with pytest.raises(ToolchainError, match=r"m\.toy, which .* had not compiled for SM8650 after 2 s") as caught:
        standing_in(tmp_path, "open(target, 'w').write(str(os.getpid())); time.sleep(600)").run()
    assert caught.value.exit_code == 3
    with pytest.raises(ProcessLookupError):
        os.kill(written_number(tmp_path), 0)


@pytest.mark.parametrize("deaf", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN); "], ids=["", "deaf to it"])
def test_ctrl_c_ends_it_too(deaf: str, tmp_path: Path) -> None:
    code = "open(target, 'w').write(str(os.getpid())); os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    with pytest.raises(KeyboardInterrupt):
        standing_in(tmp_path, deaf + code).run()
    number = written_number(tmp_path)
    with contextlib.suppress(ChildProcessError):  # who started it may have waited for it
        _, status = os.waitpid(number, 0)
        assert os.WIFSIGNALED(status)
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
