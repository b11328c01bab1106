"""Judging a .pte file with XNNPACK's weight cache on takes a process of its own, everywhere. Here it is forked off one that has imported
PyTorch before, which is most of the two seconds that such a process takes.

This file is also the program that does so. Each line on stdin is a JSON list: the arguments of converters/executorch/weight_cache.py, a
time limit in seconds, a file for what it says, and the folder where it runs. The answer is a line with its exit code.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

WEIGHT_CACHE = Path(__file__).parents[1] / "converters" / "executorch" / "weight_cache.py"


class Forked:
    """In place of `subprocess.run`, which all other commands go to."""

    def __init__(self, run: Callable[..., subprocess.CompletedProcess[Any]]) -> None:
        self.run = run
        self._server: subprocess.Popen[str] | None = None

    def __call__(self, command: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        program = [sys.executable, "-P", str(WEIGHT_CACHE)]
        if command[: len(program)] != program or "timeout" not in options:
            return self.run(command, **options)
        with tempfile.NamedTemporaryFile("r", errors="replace") as said:
            code = self._answer([*command[len(program) :], options["timeout"], said.name, str(Path.cwd())])
            return subprocess.CompletedProcess(command, code, stdout="", stderr=said.read())

    def _answer(self, request: list[Any]) -> int:
        if self._server is None:
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._server = subprocess.Popen([sys.executable, "-P", __file__], text=True, bufsize=1, **pipes)
        server = self._server
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        return int(server.stdout.readline())

    def close(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()


def serve() -> None:
    """Answers until stdin ends."""
    runpy.run_path(str(WEIGHT_CACHE))["bindings"]()
    for line in sys.stdin:
        *arguments, limit_s, said, folder = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            signal.alarm(limit_s)
            os._exit(code_of(arguments, said))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def code_of(arguments: list[str], said: str) -> int:
    """The exit code of the program with these arguments, run here; what it says goes to the file `said`."""
    words = os.open(said, os.O_WRONLY)
    os.dup2(words, 1)
    os.dup2(words, 2)
    sys.argv = [str(WEIGHT_CACHE), *arguments]
    try:
        runpy.run_path(str(WEIGHT_CACHE), run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    serve()
