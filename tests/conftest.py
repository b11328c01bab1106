"""One setting for every test: property tests are repeatable, and a busy machine cannot fail them."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.forked import Forked

if "PYTEST_XDIST_WORKER" in os.environ:
    # OpenMP's threads wait for each other in a loop: with more of them than cores each wait lasts until one is scheduled again.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of malloc.h."""

if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
    # Each result of a network is freed a moment later. Pages that go back to the kernel are cleared for the next: a third of b0's time.
    libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
    libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever is started in the background of a script does not hear Ctrl-C, nor do its children: some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("evit-mobile", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("evit-mobile")


gc.disable()
"""Until all tests are collected: what collecting makes stays."""


LONGEST = ("test_pipeline.py", "test_all_variants.py")
"""Files of many minutes each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those with slow tests: processes take a file at a time, and none is to begin a long one when
    the others are done.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path not in slow))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    same_random_numbers()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    same_random_numbers()


def same_random_numbers() -> None:
    """For every test, whatever ran before it in its process, and for the fixtures that it is the first to ask for."""
    random.seed(0)
    if "torch" in sys.modules:
        # torch.manual_seed would keep for CUDA who asked, with its whole stack: 0.3 ms, twice a test.
        sys.modules["torch"].default_generator.manual_seed(0)


LOADED = pytest.StashKey[frozenset[str]]()
"""What collecting the tests has loaded."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """What collecting has made stays to the end: the garbage collector, a tenth of the time of a conversion, need not look at it again."""
    session.config.stash[LOADED] = frozenset(sys.modules)
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture(scope="session")
def loaded_by_collecting(request: pytest.FixtureRequest) -> frozenset[str]:
    return request.config.stash[LOADED]


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache: all processes of a run have one of their own, keyed by content."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield


@pytest.fixture(autouse=True, scope="session")
def forked() -> Iterator[Forked]:
    """Judging a .pte file does not import PyTorch again."""
    with pytest.MonkeyPatch.context() as patch:
        quick = Forked(subprocess.run)
        if hasattr(os, "fork"):
            patch.setattr(subprocess, "run", quick)
        yield quick
        quick.close()


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions write no fp32 twin of an int8 file to time it against: for tests of something else."""
    monkeypatch.setattr("evit_mobile.commands.convert.against_fp32", lambda *_: None)


@pytest.fixture(scope="session")
def demo_models(own_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  # it is there first
    """What tests/demo_models.py writes, in the formats of Android and of browsers."""
    return written_models(tmp_path_factory, ("tflite", "executorch"))


@pytest.fixture(scope="session")
def apple_models(own_cache: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001  # it is there first
    """The same in the formats of iOS: few machines have the tools of all apps, and files of no app would be for nothing."""
    return written_models(tmp_path_factory, ("coreml", "executorch"))


def written_models(tmp_path_factory: pytest.TempPathFactory, formats: tuple[str, ...]) -> Path:
    """EVIT_MOBILE_DEMO_MODELS is a folder where all of them were written before."""
    if "EVIT_MOBILE_DEMO_MODELS" in os.environ:
        return Path(os.environ["EVIT_MOBILE_DEMO_MODELS"])
    from tests.demo_models import main

    folder = tmp_path_factory.mktemp("models")
    main(folder, formats)
    return folder
