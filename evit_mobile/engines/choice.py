"""Which engine an option asks for."""

from __future__ import annotations

from evit_mobile.engines.jobs import Engine
from evit_mobile.engines.local import LocalEngine
from evit_mobile.errors import UsageError
from evit_mobile.progress import Report


def chosen_engine(workers: int | None, memory_bytes: int | None, ray: str | None, report: Report) -> Engine:
    """Where jobs run. Raises UsageError for both, ToolchainError without Ray, DeviceError where no cluster answers."""
    if ray is None:
        return LocalEngine(workers=workers, memory_bytes=memory_bytes)
    if workers is not None or memory_bytes is not None:
        raise UsageError(
            got="--workers or --memory with --ray",
            allowed="them without --ray, which knows its nodes' processors and memory",
            do="leave them out",
        )
    from evit_mobile.engines.on_ray import RayEngine

    return RayEngine(ray, report)
