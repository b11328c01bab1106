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
from tests.converters.executorch.executorch_helpers import write
from tests.lazily import Lazily

profiles = Lazily("converters.executorch.operator_profile")

PROGRAM = """
import json, sys
from converters.executorch.operator_profile import ProfiledModel
from evit_mobile.profiling.operator_worker import fine_clock, one_profile
clock = fine_clock()
ProfiledModel(sys.argv[1], 1, profiled=False, clock=clock).run()
_, operators = one_profile(ProfiledModel(sys.argv[1], 1, profiled=True, clock=clock), clock)
print(json.dumps(operators))
"""


def test_without_a_clock_it_says_what_it_needs() -> None:
    with pytest.raises(RuntimeError, match="needs Linux and a C compiler `cc`"):
        profiles.ProfiledModel("m.pte", 1, profiled=True, clock=None)


def test_a_library_that_hides_xnnpack_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not let its XNNPACK be seen"):
        profiles.ProfiledModel("m.pte", 1, profiled=True, clock=SimpleNamespace(fine_clock_attach=lambda _path: 1))


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler")
def test_every_operation_of_the_file_is_timed_in_order(small: bytes, tmp_path: Path) -> None:
    """In a process of its own: the clock is let in when one starts."""
    with fine_clock() as environment:
        command = [sys.executable, "-c", PROGRAM, str(write(tmp_path, small))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    names, delegated, times = zip(*json.loads(done.stdout), strict=True)
    assert [name.split(" (")[0] for name in names] == [
        *("Transpose", "Convolution", "Convolution", "Add"),
        *("Static Reshape", "Mean", "Fully Connected", "Static Reshape"),
    ]
    assert "DWConv" in names[2]
    assert all(delegated)
    assert any(times)
