"""The checkpoints in the package are there, and a model that has none is refused with the ways to have weights."""

from __future__ import annotations

import pytest
from safetensors import safe_open

from evit_mobile.errors import UsageError
from evit_mobile.models.bundled import BUNDLED, DEFAULT_MODEL, bundled_checkpoint
from evit_mobile.spec import CLASSIFIERS


def test_the_default_model_has_weights() -> None:
    assert DEFAULT_MODEL in BUNDLED
    assert set(BUNDLED) <= set(CLASSIFIERS)


@pytest.mark.parametrize("model", BUNDLED)
def test_the_weights_are_those_of_the_model_in_half_precision(model: str) -> None:
    first = {"efficientvit_m0": "patch_embed.conv1.conv.weight", "efficientvit_b0": "stem.in_conv.conv.weight"}
    with safe_open(bundled_checkpoint(model), framework="pt") as file:
        assert first[model] in file.keys()  # noqa: SIM118  # it is no mapping
        assert {file.get_slice(key).get_dtype() for key in file.keys()} - {"I64"} == {"F16"}  # noqa: SIM118  # likewise


@pytest.mark.parametrize("model", ["efficientvit_m1", "efficientvit_m9", ""])
def test_a_model_without_weights_is_told_where_to_get_some(model: str) -> None:
    with pytest.raises(UsageError, match=f"model {model!r} without weights") as refusal:
        bundled_checkpoint(model)
    assert all(way in refusal.value.allowed for way in ("--weights FILE", "hub", "random", *BUNDLED))
    assert refusal.value.do == "pass --weights"
