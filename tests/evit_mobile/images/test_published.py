"""The default preprocessing: what timm publishes for the variant and the size."""

from __future__ import annotations

import pytest

from calib.preprocess import Preprocess
from evit_mobile.images.data import preprocess_for
from evit_mobile.images.published import PUBLISHED, default_preprocess
from evit_mobile.spec import MODELS, SEGMENTERS, find_spec
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


def test_sizes_between_take_the_nearest_published_crop() -> None:
    for side, crop in ((128, 0.95), (224, 0.95), (256, 1.0), (320, 1.0)):
        assert preprocess_for(find_spec("efficientvit_b1", size=(side, side)), bundled=False).crop_pct == crop


def test_every_variant_has_a_default() -> None:
    for spec in MODELS.values():
        assert preprocess_for(spec, bundled=False).size == spec.size


def test_the_longer_side_decides_and_all_else_is_imagenets() -> None:
    found = default_preprocess(find_spec("efficientvit_b1", size=(32, 288)))
    assert found == Preprocess(size=(32, 288), crop_pct=1.0)
    assert default_preprocess(find_spec("efficientvit_b1", size=(32, 224))).crop_pct == 0.95


@pytest.mark.parametrize("name", ["efficientvit_l0", *SEGMENTERS])
def test_what_timm_does_not_have_sees_the_whole_image(name: str) -> None:
    assert default_preprocess(MODELS[name]) == Preprocess(size=MODELS[name].size)
