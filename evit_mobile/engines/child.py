"""The process of one job. `python -m evit_mobile.engines.child` reads the job as a line of JSON and answers with lines of JSON:
{"progress": ...} as often as it likes, and last {"result": ...} or {"failure": ...}.

What else is written to stdout goes to stderr. When stdin ends, so does the process with all that it started: nobody waits for it any more.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
import traceback
from importlib import import_module
from typing import Any

from evit_mobile.strict_json import plain

FULL = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)
        job = json.loads(sys.stdin.buffer.readline())
        threading.Thread(target=end_with_parent, daemon=True).start()

        def answer(**line: Any) -> None:
            out.write(json.dumps(plain(line)) + "\n")
            out.flush()

        def report(message: str) -> None:
            print(message, file=sys.stderr, flush=True)
            answer(progress=message)

        try:
            module, _, function = job["function"].partition(":")
            ended: dict[str, Any] = {"result": getattr(import_module(module), function)(job["payload"], report)}
        except Exception as error:
            traceback.print_exc()
            ended = {"failure": failure(error)}
        answer(**ended, peak_bytes=peak_bytes())


def end_with_parent() -> None:
    """Waits until stdin ends."""
    while os.read(0, 1 << 12):
        pass
    os.killpg(0, signal.SIGKILL)


def failure(error: BaseException) -> dict[str, Any]:
    """What an error says, and the exit code that it stands for."""
    code = getattr(error, "exit_code", 2 if isinstance(error, OSError) else 3)
    kind = "" if hasattr(error, "got") else f"{type(error).__name__}: "
    return {"reason": f"{kind}{error}", "exit_code": code, "full_disk": is_full_disk(error)}


def is_full_disk(error: BaseException | None) -> bool:
    """Whether there was no room for a file, here or in what led to the error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def peak_bytes() -> int:
    """The most memory that this process, or one that it waited for, has taken."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    main()
