"""The operations of a .pte file's XNNPACK delegates in order, for matching them with a profile."""

from __future__ import annotations

from pathlib import Path

from converters.executorch.quiet import quiet_toolchain

SOURCE = "XNNPACK's profiler; what ExecuTorch runs outside it is not seen"
"""Who tells the times of operators, in words."""


def operator_names(path: Path) -> tuple[list[str], list[str]]:
    """Kind of every operation, and path of the module that it comes from ("" in files of other writers). Raises ArtefactError."""
    with quiet_toolchain():
        from converters.executorch.container import open_container, read_file

        container = open_container(read_file(path))
    kinds = [node.kind for graph in container.graphs for node in graph.nodes]
    modules = container.modules
    return kinds, modules if len(modules) == len(kinds) else [""] * len(kinds)
