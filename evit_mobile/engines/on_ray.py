"""Jobs as tasks of a Ray cluster (the extra `ray`): Ray schedules them by processors and memory, and tries them again on another node or
worker when one is lost. Code goes to each node once by Ray's runtime environment, files that jobs need by its object store.

https://docs.ray.io/en/latest/ray-core/tasks.html
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
import tempfile
from collections.abc import Generator, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from converters.errors import ToolchainError
from converters.files import sha256, write_bytes
from evit_mobile.engines.children import Children
from evit_mobile.engines.jobs import Job, Outcome, Surroundings, Work, relocated
from evit_mobile.errors import DeviceError
from evit_mobile.progress import Report

CONNECT_S, ANSWER_S = 5.0, 9.0
PREFACE, SETTINGS, FRAME_BYTES = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\4\0\0\0\0\0", 9
"""What opens a connection of HTTP/2, over which gRPC and so Ray speak, and the frame that each side sends first (RFC 9113, 3.4)."""
RETRIES = 5
"""How often Ray tries a job again whose worker or node was lost."""
AHEAD = 4
"""Jobs that Ray is given at once, to its processors: enough for it, and for an autoscaler, to see that there is more to do."""
PACKAGES = ("calib", "converters", "evit_mobile")
LOOK_S = 1.0


class RayEngine:
    """Tasks of the cluster at `address`, of one processor each; "auto" is the one that runs on this machine."""

    def __init__(self, address: str, report: Report) -> None:
        self._ray = connected(address, report)
        self._shipped: dict[str, Any] = {}

    def run(self, work: Work, jobs: Iterable[Job], report: Report) -> Generator[tuple[Job, Outcome], None, None]:
        """As `Engine` says. A job whose worker was lost too often has failed."""
        ray, running, waiting = self._ray, dict[Any, Job](), iter(jobs)
        report(f"Ray has {ray.cluster_resources().get('CPU', 0):.0f} processors")
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(run_on_node)
        try:
            while True:
                while len(running) < self._room() and (job := next(waiting, None)) is not None:
                    files = {path: [self._ship(path, digest)] for path, digest in job.files.items()}
                    running[task.options(memory=self._memory(job)).remote(work, job, files)] = job
                if not running:
                    return
                for done in ray.wait(list(running), timeout=LOOK_S)[0]:
                    yield running.pop(done), self._outcome(done)
        finally:
            for unfinished in running:
                ray.cancel(unfinished, force=True)

    def _room(self) -> int:
        """How many tasks Ray is given."""
        return max(1, AHEAD * int(self._ray.cluster_resources().get("CPU", 1)))

    def _memory(self, job: Job) -> int:
        """What is asked for a job: no more than the largest node has, or it would never run."""
        most = max((int(node["Resources"].get("memory", 0)) for node in self._ray.nodes() if node["Alive"]), default=0)
        return min(job.memory_bytes, most)

    def _ship(self, path: str, digest: str) -> Any:
        """A file in the object store, put there once."""
        if digest not in self._shipped:
            self._shipped[digest] = self._ray.put(Path(path).read_bytes())
        return self._shipped[digest]

    def _outcome(self, done: Any) -> Outcome:
        """What a task gave. What its work raised is raised, unless Ray lost it."""
        try:
            outcome: Outcome = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        except self._ray.exceptions.RayError as error:
            reason = f"Ray gave it up after {RETRIES} retries ({type(error).__name__}: {error})"
            return Outcome(reason=reason, exit_code=3)
        return outcome


def run_on_node(work: Work, job: Job, files: dict[str, list[Any]]) -> Outcome:
    """What a task does where it runs. Lines of progress go to stderr, which Ray shows on the driver."""
    import ray

    places = {path: placed(path, job.files[path], partial(ray.get, held[0])) for path, held in files.items()}
    around = Surroundings(report=lambda line: print(line, file=sys.stderr, flush=True), children=Children())
    try:
        return work(replace(job, payload=relocated(job.payload, places)), around)
    finally:
        around.children.end()


def placed(path: str, digest: str, fetch: Any) -> str:
    """Where a file is on this node: at its own path, if that holds the same bytes; else a copy, fetched once."""
    with contextlib.suppress(OSError):
        if Path(path).is_file() and sha256(Path(path)) == digest:
            return path
    copy = Path(tempfile.gettempdir()) / f"evit-mobile-{os.getuid()}" / digest / Path(path).name
    if not copy.exists():
        content = fetch()
        assert hashlib.sha256(content).hexdigest() == digest
        write_bytes(copy, content)
    return str(copy)


def connected(address: str, report: Report) -> Any:
    """Ray, connected to the cluster. Raises ToolchainError without Ray, DeviceError where no cluster answers."""
    try:
        import ray
    except ImportError:
        raise ToolchainError(
            got=f"--ray {address}, and no Ray", allowed="it where Ray is installed", do="pip install 'evit-mobile[ray]'"
        ) from None
    if not ray.is_initialized():
        check_address(address)
        try:
            found = ray.init(address=address, runtime_env=runtime_environment(), logging_level="ERROR")
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise unreachable(address, str(error)) from None
        if dashboard := found.dashboard_url:
            report(f"Ray's dashboard: http://{dashboard}")
    return ray


def check_address(address: str) -> None:
    """Raises DeviceError within 15 s where nothing answers at an address, or nothing that speaks as Ray does. Ray waits for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        with socket.create_connection((host, int(port)), CONNECT_S) as connection:
            connection.settimeout(ANSWER_S)
            connection.sendall(PREFACE + SETTINGS)
            answer = connection.recv(FRAME_BYTES, socket.MSG_WAITALL)
    except (OSError, ValueError, OverflowError) as error:
        raise unreachable(address, str(error)) from None
    if answer[3:4] != SETTINGS[3:4]:
        raise unreachable(address, "what answers there is no Ray cluster")


def unreachable(address: str, why: str) -> DeviceError:
    return DeviceError(
        got=f"--ray {address}, where no cluster is reached ({' '.join(why.split())})",
        allowed="auto, where `ray start --head` ran on this machine, HOST:PORT or ray://HOST:PORT",
        do="start the cluster, or correct the address",
    )


def runtime_environment() -> dict[str, Any]:
    """This checkout's packages, for every node; what they need is installed there."""
    root = Path(__file__).parents[2]
    return {
        "py_modules": [str(root / name) for name in PACKAGES],
        "env_vars": {"OMP_NUM_THREADS": "1"},
        "excludes": ["**/__pycache__"],
    }
