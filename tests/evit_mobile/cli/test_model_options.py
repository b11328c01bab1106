"""The options that name a model and its images: what their texts become."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from calib.methods import Method
from evit_mobile.cli.convert import ConvertOptions
from evit_mobile.cli.model_options import ModelAndImages, usual
from evit_mobile.cli.options import given, takes
from evit_mobile.cli.sensitivity import SensitivityOptions
from evit_mobile.request import ConvertRequest


def said(*arguments: str) -> tuple[int, list[ModelAndImages]]:
    kept: list[ModelAndImages] = []

    @takes(ModelAndImages)
    def command(options: ModelAndImages) -> None:
        kept.append(options)

    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, arguments).exit_code, kept


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ((), {}),
        (("--model", "efficientvit_b0", "--weights", "b0.pth"), {"model": "efficientvit_b0", "weights": "b0.pth"}),
        (("--num-classes", "7", "--seed", "3"), {"num_classes": 7, "seed": 3}),
        (("--labels", "names.txt", "--calib", "photos"), {"labels": Path("names.txt"), "calib": Path("photos")}),
        (("--size", "64x96", "--mean", "0.5", "--std", "1"), {"size": "64x96", "mean": "0.5", "std": "1"}),
        (("--crop-pct", "0.9", "--interpolation", "box"), {"crop_pct": 0.9, "interpolation": "box"}),
        (("--preprocess", "timm:x", "--color", "BGR"), {"preprocess": "timm:x", "color": "BGR"}),
        (("--observer", "entropy"), {"observer": Method.ENTROPY}),
        (("--squash", "--cache"), {"squash": True, "cache": True}),
    ],
)
def test_texts_become_values(arguments: tuple[str, ...], values: dict[str, Any]) -> None:
    code, (options,) = said(*arguments)
    assert (code, given(options)) == (0, values)


def test_what_is_said_to_be_off_is_told_from_what_was_not_said() -> None:
    (_, (off,)), (_, (silent,)) = said("--cover", "--no-cache"), said()
    assert (off.squash, off.cache) == (False, False)
    assert all(getattr(silent, field.name) is None for field in fields(silent))


@pytest.mark.parametrize("arguments", [("--observer", "median"), ("--num-classes", "two"), ("--crop-pct", "all")])
def test_values_of_another_kind_are_refused(arguments: tuple[str, ...]) -> None:
    assert said(*arguments) == (2, [])


def test_defaults_are_shown_as_the_request_has_them() -> None:
    request = ConvertRequest()
    assert (usual("seed"), usual("golden"), usual("out")) == (str(request.seed), str(request.golden), str(request.out))
    assert usual("observer") in set(Method)


def test_both_commands_of_a_model_have_all_of_them() -> None:
    own = {field.name for field in fields(ModelAndImages)}
    for options in (ConvertOptions, SensitivityOptions):
        assert own <= {field.name for field in fields(options)}
