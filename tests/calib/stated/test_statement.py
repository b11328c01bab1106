"""Which statement counts: given beats stated, stated beats default, and every contradiction is told."""

from __future__ import annotations

import pytest

from calib.errors import DataError
from calib.preprocess import IMAGENET_STD, Interpolation, Preprocess
from calib.stated.statement import Statement, decide

DEFAULT = Preprocess(size=(64, 64), crop_pct=0.875)
HALVES = (0.5, 0.5, 0.5)
GIVEN = Statement(source="--mean", values={"mean": (0.1, 0.2, 0.3)})
STATED = Statement(source="config.json", values={"mean": HALVES, "interpolation": Interpolation.BILINEAR})
UNMET = Statement(source="args", values={"mean": DataError(got="mean 3", allowed="three numbers", do="pass --mean")})


def test_the_strongest_source_of_each_field_counts() -> None:
    decision = decide(DEFAULT, [GIVEN, STATED])
    assert decision.preprocess.mean == (0.1, 0.2, 0.3)
    assert decision.preprocess.interpolation is Interpolation.BILINEAR
    assert (decision.preprocess.std, decision.preprocess.crop_pct) == (IMAGENET_STD, 0.875)
    assert decision.stated_by == {
        "resize": "default",
        "crop": "default",
        "interpolation": "config.json",
        "mean": "--mean",
        "std": "default",
        "color": "default",
    }
    assert decision.notes == ("mean: --mean says 0.1 0.2 0.3, which is used; config.json says 0.5 0.5 0.5",)


def test_sources_that_agree_are_no_contradiction() -> None:
    assert decide(DEFAULT, [STATED, Statement(source="args", values={"mean": HALVES})]).notes == ()


def test_what_cannot_be_met_is_an_error_unless_something_stronger_is_said() -> None:
    with pytest.raises(DataError, match="mean 3, as stated by args"):
        decide(DEFAULT, [UNMET, STATED])
    decision = decide(DEFAULT, [GIVEN, UNMET])
    assert decision.preprocess.mean == (0.1, 0.2, 0.3)
    assert "args says mean 3" in decision.notes[0]


def test_the_manifest_has_the_sources_beside_the_values() -> None:
    manifest = decide(DEFAULT, [STATED]).to_manifest()
    assert manifest["stated_by"]["mean"] == "config.json"
    assert Preprocess.from_manifest(manifest) == decide(DEFAULT, [STATED]).preprocess


def test_another_size_is_told() -> None:
    stated = Statement(source="args", values={}, size=(64, 96))
    assert decide(DEFAULT, [stated]).notes == ("size: the model says 64x64, which is used; args says 64x96",)
