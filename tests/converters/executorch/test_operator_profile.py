"""Times of XNNPACK's operators: every one of the file's is there, in order, and what cannot be profiled says why."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from evit_mobile.profiling.fine_clock import fine_clock
from tests.converters.executorch.executorch_helpers import graph, write
from tests.lazily import Lazily

profiles = Lazily("converters.executorch.operator_profile")

PROGRAM = """
import ctypes, json, os, sys
sys.path.insert(0, sys.argv[1])
from operator_profile import ProfiledModel
from evit_mobile.profiling.operator_worker import CLOCK_VARIABLE
clock = ctypes.CDLL(os.environ[CLOCK_VARIABLE])
found = []
for profiled in (False, True):
    model = ProfiledModel(sys.argv[2], 1, profiled=profiled, clock=clock)
    model.start()
    model.run()
    if profiled:
        found = [(name, delegated, time > 0) for name, delegated, time in model.operators()]
print(json.dumps(found))
"""


def test_without_a_clock_it_says_what_it_needs() -> None:
    with pytest.raises(RuntimeError, match="needs Linux and a C compiler `cc`"):
        profiles.ProfiledModel("m.pte", 1, profiled=True, clock=None)


def test_a_library_that_hides_xnnpack_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not let its XNNPACK be seen"):
        profiles.ProfiledModel("m.pte", 1, profiled=True, clock=SimpleNamespace(fine_clock_attach=lambda _path: 1))


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
def test_every_operation_has_a_time(small: bytes, tmp_path: Path) -> None:
    """In a process of its own: the clock is let in when one starts."""
    folder = Path(profiles.__file__).parent
    with fine_clock() as environment:
        command = [sys.executable, "-c", PROGRAM, str(folder), str(write(tmp_path, small))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert all(delegated and later for _, delegated, later in found)
    kinds = [name.split(" (")[0] for name, *_ in found]
    layers = [kind for kind in kinds if kind.startswith(("Convolution", "Fully Connected"))]
    assert [kind.split()[0] for kind in layers] == ["Convolution", "Convolution", "Fully"]
    moved = sum(node.kind != "StaticReshape" for node in graph(small).nodes)
    assert moved <= len(found) <= len(graph(small).nodes)
