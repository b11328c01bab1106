"""Opt-in: `make test-ray` installs Ray, s3fs and moto, and runs these on a cluster of three nodes of this machine."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

collect_ignore_glob = [] if importlib.util.find_spec("ray") and importlib.util.find_spec("moto") else ["test_*.py"]
ROOT = Path(__file__).parents[2]
NODE_BYTES = 4 << 30
STORE_BYTES = 100 << 20


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """Three nodes of one processor each."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "1"
    started = Cluster()
    for _ in range(3):
        started.add_node(num_cpus=1, memory=NODE_BYTES, object_store_memory=STORE_BYTES, include_dashboard=False)
    started.wait_for_nodes()
    yield started
    import ray

    ray.shutdown()
    started.shutdown()
