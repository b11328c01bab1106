"""Options name the engine: this machine, or a cluster that knows its own nodes."""

from __future__ import annotations

import sys

import pytest

from converters.errors import ToolchainError
from evit_mobile.engines.choice import chosen_engine
from evit_mobile.engines.local import LocalEngine
from evit_mobile.errors import UsageError
from evit_mobile.progress import silent


def test_without_a_cluster_jobs_run_here_within_what_is_given() -> None:
    engine = chosen_engine(3, 10**9, None, silent)
    assert isinstance(engine, LocalEngine)
    assert (engine.workers, engine.memory_bytes) == (3, 10**9)


@pytest.mark.parametrize(("workers", "memory"), [(2, None), (None, 10**9), (0, None), (None, 0), (2, 10**9)])
def test_what_a_cluster_knows_itself_cannot_be_given(workers: int | None, memory: int | None) -> None:
    with pytest.raises(UsageError, match=r"--workers or --memory with --ray; allowed: .*leave them out"):
        chosen_engine(workers, memory, "auto", silent)


def test_a_cluster_is_asked_for_with_ray_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ToolchainError, match=r"evit-mobile\[ray\]"):
        chosen_engine(None, None, "auto", silent)
