"""Draws the parts of evit_mobile on their floors, with the imports between them: docs/images/architecture.svg.

    python scripts/architecture.py [FILE]

Floors are those of tests/test_floors.py. Lines are imports as they stand in the code, but for types alone; one that follows from others
is left out. The two packages below, which know nothing of EfficientViT, are drawn as the cellar.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.test_floors import DOORS, FLOORS, ROOT, imported

PICTURE = ROOT.parent / "docs" / "images" / "architecture.svg"
WIDTH, HEIGHT, GAP, BOX, WIDE = 960, 74, 16, 34, 132


def edges(root: Path) -> set[tuple[str, str]]:
    """(part, part that it imports)."""
    found = set()
    for path in sorted(root.rglob("*.py")):
        own = path.relative_to(root).parts[0].removesuffix(".py")
        if own not in DOORS:
            found |= {(own, part) for _, part in imported(path, root) if part != own}
    return found


def without_shortcuts(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The imports that do not follow from a longer way."""
    below: dict[str, set[str]] = {}
    for above, part in found:
        below.setdefault(above, set()).add(part)

    def reached(part: str) -> set[str]:
        return set().union(*({one} | reached(one) for one in below.get(part, ())))

    return {(above, part) for above, part in found if not any(part in reached(one) for one in below[above])}


def places() -> dict[str, tuple[float, float]]:
    """The left upper corner of each part's box, the ground at the bottom."""
    result = {}
    for number, parts in enumerate(reversed(FLOORS)):
        row = sorted(parts)
        step = min(WIDE + GAP, (WIDTH - GAP) / len(row))
        left = (WIDTH - step * len(row) + GAP) / 2
        result |= {part: (left + step * index, GAP + HEIGHT * number) for index, part in enumerate(row)}
    return result


def drawing() -> str:
    """The picture as SVG."""
    where, drawn = places(), sorted(without_shortcuts(edges(ROOT)))
    bottom = GAP + HEIGHT * len(FLOORS)
    lines = [
        f'<line x1="{where[above][0] + WIDE / 2:.0f}" y1="{where[above][1] + BOX:.0f}" '
        f'x2="{where[below][0] + WIDE / 2:.0f}" y2="{where[below][1]:.0f}"/>'
        for above, below in drawn
        if above in where and below in where
    ]
    boxes = [box(part, left, top, WIDE) for part, (left, top) in where.items()]
    half = (WIDTH - 3 * GAP) / 2
    cellar = [box("calib", GAP, bottom, half), box("converters", 2 * GAP + half, bottom, half)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + BOX + GAP}" font-family="sans-serif">',
            "<title>The parts of evit_mobile, each knowing those below it</title>",
            f'<rect width="{WIDTH}" height="{bottom + BOX + GAP}" fill="#fff"/>',
            '<g stroke="#8aa" stroke-width="1">',
            *lines,
            '</g><g font-size="13" text-anchor="middle" fill="#123">',
            *boxes,
            *cellar,
            "</g></svg>",
            "",
        ]
    )


def box(name: str, left: float, top: float, width: float) -> str:
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{BOX}" rx="5" fill="#e8f1f2" stroke="#356"/>'
        f'<text x="{left + width / 2:.0f}" y="{top + 22:.0f}">{name}</text>'
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    target.write_text(drawing())
