"""Small inline SVG plots. Colours come from the page's CSS, sizes are in units of the view box; text in them is never user HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH = 640
ROW = 22
LABEL = 250
BINS = 48
LONGEST = 2.5
"""Medians that a histogram reaches at most."""

CHARACTER, LINE = 9, 17
"""Room for a character of a label and for its line, in the larger type of a phone."""

AXIS = 34
MARGIN = 56


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One artefact in a scatter plot. `size` (0..1) is the share of the largest circle's area."""

    label: str
    x: float
    y: float
    size: float


def svg(height: int, title: str, body: Sequence[str]) -> str:
    """An image with a name for those who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )


def text(x: float, y: float, content: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def bars(rows: Sequence[tuple[str, float]], unit: str, title: str, digits: int = 3) -> str:
    """Horizontal bars, one row each, with their value at the end."""
    largest = max((value for _, value in rows), default=0) or 1
    body = []
    for number, (label, value) in enumerate(rows):
        y, length = number * ROW, (WIDTH - LABEL - 90) * max(value, 0) / largest
        body.append(text(LABEL - 8, y + 15, shortened(label), "end"))
        body.append(f'<rect class="bar" x="{LABEL}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}"/>')
        # Adding zero takes the sign off a value that is rounded to none.
        body.append(text(LABEL + length + 6, y + 15, f"{round(value, digits) + 0:.{digits}f} {unit}"))
    return svg(len(rows) * ROW + 4, title, body)


def shortened(label: str, limit: int = 24) -> str:
    """The end of a long module path: it tells more than its beginning. `limit` characters fit in the larger type of a phone."""
    return label if len(label) <= limit else "…" + label[-limit + 1 :]


def histogram(samples: Sequence[float], unit: str, title: str) -> str:
    """How often each value occurred, from the smallest to the 99th percentile or 2.5 medians; what is slower is counted."""
    values = np.asarray(samples, dtype=np.float64)
    median = float(np.median(values))
    low, high = float(values.min()), min(float(np.quantile(values, 0.99)), LONGEST * median)
    high = high if high > low else low + max(abs(low), 1.0) * 1e-3
    counts, edges = np.histogram(values[values <= high], bins=BINS, range=(low, high))
    slower, height = int((values > high).sum()), 120
    scale = (WIDTH - 2 * MARGIN) / BINS
    body = []
    for number, count in enumerate(counts):
        size = (height - AXIS - 4) * count / max(counts.max(), 1)
        x, y = MARGIN + number * scale, height - AXIS - size
        body.append(f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{scale - 1:.1f}" height="{size:.1f}"/>')
    x = MARGIN + (WIDTH - 2 * MARGIN) * (median - low) / (high - low)
    body.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - AXIS}"/>')
    body.append(text(MARGIN, height - 16, f"{edges[0]:.3f}"))
    body.append(text(WIDTH - MARGIN, height - 16, f"{edges[-1]:.3f} {unit}", "end"))
    body.append(
        text(WIDTH / 2, height - 2, f"line: median {median:.3f} {unit}; {slower} slower runs not shown", "middle")
    )
    return svg(height, title, body)


def scatter(points: Sequence[Point], x_title: str, y_title: str, title: str) -> str:
    """Circles over two linear axes that fit the points. Labels that would cover others move down."""
    height, top = 300, 34
    xs, ys = spread([point.x for point in points]), spread([point.y for point in points])
    body = [
        f'<line class="axis" x1="{MARGIN}" x2="{WIDTH - 10}" y1="{height - AXIS}" y2="{height - AXIS}"/>',
        f'<line class="axis" x1="{MARGIN}" x2="{MARGIN}" y1="{top}" y2="{height - AXIS}"/>',
        text(WIDTH - 10, height - 4, x_title, "end"),
        text(4, 13, y_title),
    ]
    for share in (0.0, 0.5, 1.0):
        x, y = MARGIN + share * (WIDTH - MARGIN - 10), height - AXIS - share * (height - AXIS - top)
        anchor = {0.0: "start", 1.0: "end"}.get(share, "middle")
        body.append(text(x, height - AXIS + 15, f"{xs[0] + share * (xs[1] - xs[0]):.3g}", anchor))
        body.append(text(MARGIN - 6, y + 4, f"{ys[0] + share * (ys[1] - ys[0]):.3g}", "end"))
    labels: list[tuple[float, float, float]] = []
    for point in points:
        x = MARGIN + (WIDTH - MARGIN - 10) * (point.x - xs[0]) / (xs[1] - xs[0])
        y = height - AXIS - (height - AXIS - top) * (point.y - ys[0]) / (ys[1] - ys[0])
        radius = 3 + 13 * math.sqrt(max(point.size, 0))
        right = x < WIDTH / 2
        body.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
        width = CHARACTER * len(point.label)
        start = x + radius + 4 if right else x - radius - 4 - width
        below = free_line(labels, start, y + 4, width)
        labels.append((start, below, width))
        body.append(text(start if right else start + width, below, point.label, "start" if right else "end"))
    return svg(height, title, body)


def free_line(taken: Sequence[tuple[float, float, float]], start: float, y: float, width: float) -> float:
    """The first height from `y` down at which a label from `start` on, `width` wide, covers none of those taken (start, y, width)."""
    while any(
        abs(y - other_y) < LINE and start < other + other_width and other < start + width
        for other, other_y, other_width in taken
    ):
        y += 1
    return y


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis: the values with some room around them."""
    low, high = min(values), max(values)
    room = 0.15 * (high - low) or 1.0
    return low - room, high + room
