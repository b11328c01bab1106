"""Reports of the demo apps, and how `profile` reads one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from converters.files import sha256
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile


def report(package: Path, **changes: Any) -> dict[str, Any]:
    latencies = (0.8 * np.exp(0.02 * np.random.default_rng(0).standard_normal(400))).tolist()
    entry = {
        "name": package.name,
        "sha256": sha256(package),
        "compute_units": "all",
        "load_ms": 120.0,
        "first_run_ms": 3.0,
        "latencies_ms": latencies,
        "thermal_before": "nominal",
        "thermal_after": "nominal",
        "peak_memory_bytes": 50_000_000,
    }
    return {"schema": 1, "device": {"model": "iPhone15,2", "system": "iOS 18.1"}, "artefacts": [entry | changes]}


def read(document: Any, package: Path, place: str = "ios-report") -> dict[str, Any]:
    path = package.parent / "report.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    out = package.parent / "profile.jsonl"
    (item,) = profile([package], place=f"{place}:{path}", settings=Settings(), out=out)["profiles"]
    return item
