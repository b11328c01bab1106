"""Operations, modules and lists of them in the words of an error."""

from __future__ import annotations

from collections.abc import Sequence

from torch.fx import Node

NAMED = 4
"""How many calls or parameters an error names."""


def operation(node: Node) -> str:
    """The name of what a node calls."""
    return str(node.target).removeprefix("aten.").split(".")[0]


def place(node: Node) -> str:
    """ " in PATH" of the module that a node belongs to; nothing for the outermost."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]).removeprefix("module").strip(".") if stack else ""
    return f" in {path!r}" if path else ""


def named(items: Sequence[str]) -> str:
    """The first of a list, and how many there are."""
    return ", ".join(items[:NAMED]) + (f" and {len(items) - NAMED} more" if len(items) > NAMED else "")
