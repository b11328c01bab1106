"""`sensitivity`: what it takes, and what it draws."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from evit_mobile.commands import sensitivity as ranking
from evit_mobile.commands.sensitivity import FIELDS, Sensitivity, check_plot, plot, sensitivity
from evit_mobile.errors import UsageError
from evit_mobile.quantization.sensitivity import ModuleHarm
from evit_mobile.request import ConvertRequest


def harm(module: str, share: float) -> ModuleHarm:
    return ModuleHarm(module=module, output_sqnr_db=30.0, module_sqnr_db=35.0, share=share)


RESULT = Sensitivity(
    model="efficientvit_m0",
    weights="bundled",
    images=32,
    predicted_sqnr_db=24.5,
    measured_sqnr_db=25.12,
    modules=[harm("stages.0.conv", 0.7), harm("", 0.3)],
)


def test_its_options_are_fields_of_a_request() -> None:
    assert set(FIELDS) <= {field.name for field in fields(ConvertRequest)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "int8"}, "sensitivity with precision; allowed: weights, size"),
        ({"sede": 1}, r"sensitivity with sede; .*did you mean seed\?"),
        ({"out": ".", "golden": 0}, "sensitivity with golden, out"),
        ({"size": (64, 65)}, "multiples of 32"),
    ],
)
def test_other_options_are_refused_before_the_work(
    options: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "requested_reference", lambda *_: pytest.fail("weights were loaded"))
    with pytest.raises(UsageError, match=said):
        sensitivity("efficientvit_m0", **options)


@pytest.mark.parametrize("name", ["harm", "harm.gif", "harm.SVG"])
def test_only_some_files_are_drawn(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"--plot .*{name}; allowed: a name ending in \.svg, \.png, \.pdf"):
        check_plot(tmp_path / name)
    with pytest.raises(UsageError):
        plot(RESULT, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_most_harmful_are_drawn_at_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import rcParams

    monkeypatch.setitem(rcParams, "svg.fonttype", "none")
    monkeypatch.setattr(ranking, "PLOTTED_MODULES", 2)
    plot(replace(RESULT, modules=[*RESULT.modules, harm("forty-first", 0.0)]), tmp_path / "harm.svg")
    texts = ElementTree.parse(tmp_path / "harm.svg").iter("{http://www.w3.org/2000/svg}text")
    places = {node.text: float(node.get("y") or node.get("transform", "").split()[-1].rstrip(")")) for node in texts}
    assert "efficientvit_m0, int8: 25.1 dB" in places
    assert "share of the noise in the logits (%)" in places
    assert "forty-first" not in places
    assert places["stages.0.conv"] < places["(top)"]
