"""Plots for the page: drawn by matplotlib as inline SVG whose colours are the page's own, so that they follow light and dark."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 640
"""Of every plot. Lengths are in units of the view box, for which matplotlib's name is points."""
ROW = 22
LABEL, VALUE = 250, 90
"""Room beside the bars: for names and for values."""
BINS = 48
LONGEST = 2.5
"""Medians that a histogram reaches at most."""
CHARACTER, LINE = 9, 17
"""Room for a character of a label and for its line, in the larger type of a phone."""
MARGIN, BELOW, ABOVE = 56, 40, 34

COLOURS = {"text": "#010101", "line": "#020202", "bar": "#030303", "mark": "#040404"}
"""What stands for the page's colours until the plot is drawn."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 12,
    "text.parse_math": False,
    "text.color": COLOURS["text"],
    "axes.labelcolor": COLOURS["text"],
    "axes.edgecolor": COLOURS["line"],
    "xtick.labelcolor": COLOURS["text"],
    "ytick.labelcolor": COLOURS["text"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.bottom": False,
    "ytick.left": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One artefact in a scatter plot. `size` (0..1) is the share of the largest circle's area; `link` is where its circle leads to."""

    label: str
    x: float
    y: float
    size: float
    link: str = ""


def bars(rows: Sequence[tuple[str, float]], unit: str, title: str, digits: int = 3) -> str:
    """Horizontal bars, one row each, with their value at the end."""

    def draw(axes: Axes) -> None:
        values = [max(value, 0) for _, value in rows]
        drawn = axes.barh(range(len(rows)), values, height=(ROW - 6) / ROW, color=COLOURS["bar"], clip_on=False)
        # Adding zero takes the sign off a value that is rounded to none.
        ends = [f"{round(value, digits) + 0:.{digits}f} {unit}" for _, value in rows]
        axes.bar_label(drawn, ends, padding=6)
        axes.set_xlim(0, max([*values, 0]) or 1)
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [shortened(label) for label, _ in rows])
        axes.set_xticks([])
        axes.spines[:].set_visible(False)

    return plot(draw, len(rows) * ROW + 4, title, left=LABEL, right=VALUE)


def histogram(samples: Sequence[float], unit: str, title: str) -> str:
    """How often each value occurred, from the smallest to the 99th percentile or 2.5 medians; what is slower is counted."""
    import numpy as np

    values = np.asarray(samples, dtype=np.float64)
    median = float(np.median(values))
    low, high = float(values.min()), min(float(np.quantile(values, 0.99)), LONGEST * median)
    high = high if high > low else low + max(abs(low), 1.0) * 1e-3
    slower = int((values > high).sum())

    def draw(axes: Axes) -> None:
        axes.hist(values[values <= high], bins=BINS, range=(low, high), rwidth=0.9, color=COLOURS["bar"], clip_on=False)
        axes.axvline(median, color=COLOURS["mark"], linewidth=2, clip_on=False)
        axes.set_xlim(low, high)
        axes.set_xticks([low, high], [f"{low:.3f}", f"{high:.3f} {unit}"])
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(f"line: median {median:.3f} {unit}; {slower} slower runs not shown", labelpad=0)

    return plot(draw, 124, title, left=MARGIN, right=MARGIN, below=BELOW)


def scatter(points: Sequence[Point], x_title: str, y_title: str, title: str) -> str:
    """Circles over two linear axes that fit the points. Labels that would cover others move down."""

    def draw(axes: Axes) -> None:
        axes.set_xlim(*spread([point.x for point in points]))
        axes.set_ylim(*spread([point.y for point in points]))
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            ticks = [float(low + share * (high - low)) for share in (0.0, 0.5, 1.0)]
            axis.set_ticks(ticks, [f"{tick:.3g}" for tick in ticks])
        axes.set_xlabel(x_title, loc="right", labelpad=0)
        axes.set_title(y_title, x=-(MARGIN - 4) / (WIDTH - MARGIN - 24), loc="left", fontsize=12, pad=14)
        taken: list[tuple[float, float, float]] = []
        for point in points:
            add_point(axes, point, taken)

    return plot(draw, 300, title, left=MARGIN, right=24, below=BELOW, above=ABOVE)


def add_point(axes: Axes, point: Point, taken: list[tuple[float, float, float]]) -> None:
    """A circle with its label beside it, and the label's place added to those `taken`: start, height and width, in view box units."""
    from matplotlib.patches import Circle
    from matplotlib.transforms import IdentityTransform

    x, y = axes.transData.transform((point.x, point.y))
    radius, width = 3 + 13 * math.sqrt(max(point.size, 0)), CHARACTER * len(point.label)
    axes.add_artist(
        Circle(
            (x, y),
            radius,
            color=COLOURS["bar"],
            alpha=0.6,
            transform=IdentityTransform(),
            clip_on=False,
            linewidth=0,
            url=point.link or None,
        )
    )
    if not point.label:
        return
    right = x < WIDTH / 2
    start = x + radius + 4 if right else x - radius - 4 - width
    below = free_line(taken, start, y - 4, width)
    taken.append((start, below, width))
    align: Any = "left" if right else "right"
    axes.text(start if right else start + width, below, point.label, transform=IdentityTransform(), ha=align)


def plot(
    draw: Callable[[Axes], None], height: int, title: str, *, left: int, right: int, below: int = 0, above: int = 4
) -> str:
    """What `draw` puts on axes with so much room around them, as inline SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        axes = figure.add_axes(
            (left / WIDTH, below / height, (WIDTH - left - right) / WIDTH, (height - below - above) / height)
        )
        axes.patch.set_visible(False)
        draw(axes)
        return inline(figure, title)


def inline(figure: Figure, title: str) -> str:
    """The figure as an SVG element with a name for those who cannot see it, the page's colours, and no ids: a page has many figures."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    content = file.getvalue()
    content = content[content.index("<svg") :]
    content = re.sub(
        r"<metadata>.*?</metadata>|<defs>.*?</defs>|<!--.*?-->| id=\"[^\"]*\"", "", content, flags=re.DOTALL
    )
    for name, colour in COLOURS.items():
        content = content.replace(colour, f"var(--{name})")
    opening = f'<svg role="img" aria-label="{escape(title)}"'
    return content.replace("<svg", opening, 1).replace(">", f"><title>{escape(title)}</title>", 1)


def shortened(label: str, limit: int = 24) -> str:
    """The end of a long module path: it tells more than its beginning. `limit` characters fit in the larger type of a phone."""
    return label if len(label) <= limit else "…" + label[-limit + 1 :]


def free_line(taken: Sequence[tuple[float, float, float]], start: float, y: float, width: float) -> float:
    """The first height from `y` down at which a label from `start` on, `width` wide, covers none of those taken (start, y, width)."""
    while any(
        abs(y - other_y) < LINE and start < other + other_width and other < start + width
        for other, other_y, other_width in taken
    ):
        y -= 1
    return y


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis: the values with some room around them."""
    low, high = min(values), max(values)
    room = 0.15 * (high - low) or 1.0
    return low - room, high + room
