"""The floors of evit_mobile: a part knows those below it, and none beside or above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evit_mobile

ROOT = Path(evit_mobile.__file__).resolve().parent

FLOORS = (
    {"errors", "progress", "strict_json", "version"},
    {"engines", "families", "figures"},  # engines run jobs without knowing what they do
    {"metrics", "statistics"},
    {"spec"},
    {"findings", "thresholds"},
    {"models", "record"},  # models know no images, a record knows no verb
    {"images"},
    {"profiling", "reference", "rewrites", "validation"},  # judging knows no record but its nouns
    {"demos", "labels", "quantization", "request"},
    {"prepare"},  # preparing knows nothing that writes a record
    {"recovery"},
    {"commands", "report"},
    {"publishing", "sweeps"},
    {"cli"},
)
"""From the ground up."""
DOORS = ("__init__", "__main__")
"""The package as others know it: they stand outside and know every part."""

FORBIDDEN = {(part, "record") for part in ("validation", "quantization", "prepare", "recovery")}
"""The record lies low because demos and reports read it; what judges and prepares keeps off it all the same."""


def for_types(tree: ast.AST) -> set[int]:
    """What stands under `if TYPE_CHECKING`, by identity."""
    return {
        id(inside)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inside in ast.walk(node)
    }


def imported(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """(line, part) of every import of a part of the package `root`, in functions too, but for types alone."""
    tree = ast.parse(path.read_text("utf-8"))
    types = for_types(tree)
    for node in ast.walk(tree):
        if id(node) in types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == root.name:
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{root.name}."):
            yield node.lineno, node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from ((node.lineno, name[1]) for name in names if name[0] == root.name and len(name) > 1)


def wrong_ways(root: Path) -> list[str]:
    """Every import beside or up, of parts without a floor too."""
    floor = {part: number for number, parts in enumerate(FLOORS) for part in parts}
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        own = relative.parts[0].removesuffix(".py")
        if own in DOORS:
            continue
        if own not in floor:
            found.append(f"{own} has no floor")
            continue
        for line, part in imported(path, root):
            if part != own and (floor.get(part, len(FLOORS)) >= floor[own] or (own, part) in FORBIDDEN):
                found.append(f"{relative.as_posix()}:{line} imports {part}")
    return found


def test_every_part_knows_only_those_below_it() -> None:
    assert wrong_ways(ROOT) == [], "a new part gets its floor in FLOORS; an import up wants its noun further down"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("models/a.py", "from evit_mobile.images.data import Images"),
        ("validation/a.py", "from evit_mobile.record.files import read_manifest"),
        ("prepare/a.py", "from evit_mobile.commands.document import compose"),
        ("prepare/a.py", "from evit_mobile.record.plans import write_plan"),
        ("record/a.py", "def f():\n    from evit_mobile.commands.convert import run"),
        ("commands/a.py", "from evit_mobile import cli"),
        ("commands/a.py", "import evit_mobile.report.html"),
        ("attic.py", "x = 1"),
    ],
)
def test_a_planted_way_up_is_found(path: str, source: str, tmp_path: Path) -> None:
    (tmp_path / "evit_mobile" / path).parent.mkdir(parents=True)
    (tmp_path / "evit_mobile" / path).write_text(source)
    assert len(wrong_ways(tmp_path / "evit_mobile")) == 1


@pytest.mark.parametrize("number", range(1, len(FLOORS)), ids=lambda number: "-".join(sorted(FLOORS[number])))
def test_every_floor_holds(number: int, tmp_path: Path) -> None:
    """Planted in each part below a floor: an import of each part on it, which is found. The other way round it is allowed."""
    above, below = sorted(FLOORS[number]), sorted(FLOORS[number - 1])
    for package, source, target in (("up", below, above), ("down", above, below)):
        for part in source:
            folder = tmp_path / package / "evit_mobile" / part
            folder.mkdir(parents=True)
            (folder / "a.py").write_text("".join(f"import evit_mobile.{one}.b\n" for one in target))
    up = [f"{part}/a.py:{line} imports {one}" for part in below for line, one in enumerate(above, 1)]
    assert wrong_ways(tmp_path / "up" / "evit_mobile") == up
    assert wrong_ways(tmp_path / "down" / "evit_mobile") == [
        f"{part}/a.py:{line} imports {one}"
        for part in above
        for line, one in enumerate(below, 1)
        if (part, one) in FORBIDDEN
    ]


def test_types_may_be_named_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "evit_mobile" / "report").mkdir(parents=True)
    source = "if TYPE_CHECKING:\n    from evit_mobile.commands.convert import Conversion\nfrom evit_mobile.errors import UsageError"
    (tmp_path / "evit_mobile" / "report" / "a.py").write_text(source)
    assert wrong_ways(tmp_path / "evit_mobile") == []
