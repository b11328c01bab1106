"""Preprocessing by default: what timm publishes, for every one of its EfficientViT weights."""

from __future__ import annotations

import pytest

from calib.preprocess import Preprocess
from calib.stated.timm import read_settings
from evit_mobile.data import preprocess_for
from evit_mobile.preprocessing import PUBLISHED
from evit_mobile.spec import MODELS, find_spec
from tests.oracles import import_timm


def published_by_timm() -> dict[str, Preprocess]:
    """Preprocessing of every published EfficientViT, by timm's own resolution of its settings."""
    timm = import_timm()
    found = {}
    for name in timm.list_models("efficientvit_*", pretrained=True):
        config = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
        _, height, width = config["input_size"]
        assert config["crop_mode"] == "center"
        settings = {key: config[key] for key in ("crop_pct", "interpolation", "mean", "std")}
        found[name] = Preprocess(size=(height, width), **settings)
    return found


def test_the_table_has_every_published_setting() -> None:
    published = published_by_timm()
    assert len(published) == 25
    assert published == PUBLISHED


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_default_is_what_timm_publishes_for_the_size(name: str) -> None:
    spec = find_spec(name.partition(".")[0], size=PUBLISHED[name].size)
    assert preprocess_for(spec, bundled=False) == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_timms_own_settings_are_read_alike(name: str) -> None:
    settings = import_timm().get_pretrained_cfg(name).to_dict()
    statement = read_settings(settings, "timm")
    assert statement.size == PUBLISHED[name].size
    for field, value in statement.values.items():
        assert getattr(PUBLISHED[name], field) == value


def test_sizes_between_take_the_nearest_published_crop() -> None:
    for side, crop in ((128, 0.95), (224, 0.95), (256, 1.0), (320, 1.0)):
        assert preprocess_for(find_spec("efficientvit_b1", size=(side, side)), bundled=False).crop_pct == crop


def test_every_variant_has_a_default() -> None:
    for spec in MODELS.values():
        assert preprocess_for(spec, bundled=False).size == spec.size
