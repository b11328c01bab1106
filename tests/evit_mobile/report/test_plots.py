"""Plots as inline SVG: well formed, true to their numbers, and none covers its own words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from evit_mobile.report.plots import Point, bars, free_line, histogram, scatter, shortened, spread

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "drawn",
    [
        lambda: bars([("a<b", 1.0), ("c", 0.0)], "ms", "x & y"),
        lambda: bars([], "ms", "none"),
        lambda: histogram([1.0] * 10, "ms", "constant"),
        lambda: histogram([1.0, 2.0, 50.0], "ms", "tail"),
        lambda: scatter([Point(label="only", x=1, y=1, size=1)], "x", "y", "one"),
    ],
)
def test_plots_are_well_formed(drawn: Callable[[], str]) -> None:
    plot = drawn()
    assert ElementTree.fromstring(plot).tag == f"{SVG}svg"


def test_bars_are_as_long_as_their_values() -> None:
    drawing = ElementTree.fromstring(bars([("a", 4.0), ("b", 1.0)], "ms", "t"))
    paths = [path.get("d", "") for path in drawing.iter(f"{SVG}path") if "--bar" in path.get("style", "")]
    edges = [[float(x) for x in re.findall(r"[ML] ([\d.]+) ", path)] for path in paths]
    first, second = (max(each) - min(each) for each in edges)
    assert first == pytest.approx(4 * second, rel=0.01)


def test_labels_of_a_scatter_do_not_cover_each_other() -> None:
    points = [Point(label=f"tflite int8-{number}", x=1 + 0.01 * number, y=93, size=1) for number in range(5)]
    points.append(Point(label="far", x=9, y=80, size=1))
    texts = [node for node in ElementTree.fromstring(scatter(points, "x", "y", "t")).iter(f"{SVG}text") if node.text]
    heights = [float(node.get("y", "")) for node in texts if str(node.text).startswith("tflite")]
    assert all(abs(first - second) >= 17 for first, second in itertools.combinations(heights, 2))


def test_a_value_that_is_nothing_has_no_sign() -> None:
    assert "-0.000" not in bars([("outside operators", -0.0004)], "ms", "t")


def test_a_name_is_for_those_who_cannot_see_it_and_is_escaped() -> None:
    drawing = bars([("a", 1.0)], "ms", 'time & "share"')
    element = ElementTree.fromstring(drawing)
    assert element.get("aria-label") == 'time & "share"'
    assert element.find(f"{SVG}title").text == 'time & "share"'  # type: ignore[union-attr]  # there is one
    assert element.get("role") == "img"
    assert " id=" not in drawing


def test_a_point_leads_where_its_link_does() -> None:
    drawn = scatter(
        [Point(label="a", x=1, y=1, size=0.25, link="a/manifest.json"), Point(label="", x=2, y=2, size=1)],
        "x",
        "y",
        "t",
    )
    links = [node.get("{http://www.w3.org/1999/xlink}href") for node in ElementTree.fromstring(drawn).iter(f"{SVG}a")]
    assert links == ["a/manifest.json"]


def test_a_tail_is_cut_and_counted() -> None:
    """2.5 medians are the most that is shown: of a hundred runs of 1 ms and two of 50 ms the two are not."""
    drawn = histogram([1.0, 1.1] * 50 + [50.0, 60.0], "ms", "t")
    texts = [node.text for node in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert "line: median 1.100 ms; 2 slower runs not shown" in texts
    assert "2.750 ms" in texts


@pytest.mark.parametrize(
    ("values", "ends"),
    [([10.0, 20.0], (8.5, 21.5)), ([5.0], (4.0, 6.0)), ([3.0, 3.0], (2.0, 4.0)), ([-1.0, 1.0, 0.0], (-1.3, 1.3))],
)
def test_an_axis_has_room_around_its_values(values: list[float], ends: tuple[float, float]) -> None:
    assert spread(values) == pytest.approx(ends)


@pytest.mark.parametrize(("label", "shown"), [("", ""), ("a" * 24, "a" * 24), ("begin." + "e" * 20, "…in." + "e" * 20)])
def test_of_a_long_name_the_end_stays(label: str, shown: str) -> None:
    assert shortened(label) == shown


@pytest.mark.parametrize(
    ("taken", "height"),
    [
        ([], 100.0),
        ([(0.0, 100.0, 50.0)], 83.0),
        ([(0.0, 100.0, 50.0), (0.0, 83.0, 50.0)], 66.0),
        ([(60.0, 100.0, 50.0)], 100.0),
        ([(0.0, 130.0, 50.0)], 100.0),
    ],
    ids=["free", "taken", "twice", "beside", "above"],
)
def test_a_label_moves_down_to_the_first_free_line(taken: list[tuple[float, float, float]], height: float) -> None:
    """A line is 17 high."""
    assert free_line(taken, 10.0, 100.0, 40.0) == height
