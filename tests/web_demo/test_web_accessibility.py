"""The browser demo by keyboard, for screen readers, on narrow screens, in light and dark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.web_demo.browser import Browser
from tests.web_demo.demo_page import BROWSER_TEST, CHECKED, page

pytestmark = BROWSER_TEST

NAMELESS = """[...document.querySelectorAll('button, select, input, a, canvas, video, progress')].filter((item) =>
  !(item.labels?.length || item.getAttribute('aria-label') || item.textContent.trim())).map((item) => item.id)"""
REACHED = "document.activeElement.id || document.activeElement.tagName"


def test_everything_has_a_name_and_is_reached_by_keyboard(browser: Browser, converted: Path) -> None:
    with page(browser, converted, CHECKED):
        assert browser.call("evaluate", NAMELESS) == []
        reached = []
        for _ in range(7):
            browser.call("press", "Tab")
            reached.append(browser.call("evaluate", REACHED))
        assert reached == ["artefact", "accelerator", "file", "camera", "check", "measure", "A"]
        browser.call("evaluate", "document.getElementById('artefact').focus()")
        browser.call("press", "ArrowUp")
        browser.call("wait", f"{CHECKED} && document.getElementById('precision').textContent === 'fp32'")
        assert browser.call("evaluate", REACHED) == "artefact"


COLOURS = """Object.fromEntries(['background', 'surface', 'text', 'quiet', 'accent', 'on-accent', 'bar', 'bad', 'good'].map((name) =>
  [name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"""
PAIRS = [
    *(("text", under) for under in ("background", "surface", "bar")),
    *(("quiet", under) for under in ("background", "surface")),
    *((text, "surface") for text in ("accent", "bad", "good")),
    ("on-accent", "accent"),
]


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", as WCAG 2 defines it."""
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_contrast_and_width(width: int, dark: bool, browser: Browser, converted: Path) -> None:
    with page(browser, converted, CHECKED, width=width, dark=dark):
        colours = browser.call("evaluate", COLOURS)
        for text, under in PAIRS:
            low, high = sorted((luminance(colours[text]), luminance(colours[under])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, under)
        assert browser.call("evaluate", "document.documentElement.scrollWidth") <= width
        assert browser.call("evaluate", "getComputedStyle(document.body).backgroundColor") == (
            "rgb(17, 20, 24)" if dark else "rgb(246, 247, 249)"
        )
