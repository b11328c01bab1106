"""A model of four channels: what it cannot have is refused by the option's name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.request import ConvertRequest
from evit_mobile.request.channels import check_channels
from evit_mobile.spec import find_spec

THREE = find_spec("efficientvit_m0", size=(64, 64))
FOUR = replace(THREE, channels=4)


@pytest.mark.parametrize(
    ("options", "got", "do"),
    [
        ({}, "no images", "an .npz of shape"),
        ({"image_input": True, "calib": "photos"}, "--image-input", "takes tensors"),
        ({"variation": "relu-attention", "calib": "photos"}, "--relu-attention", "leave it out"),
        ({"variation": "relu-activation", "calib": "photos"}, "--relu-activation", "leave it out"),
    ],
)
def test_what_it_cannot_have(options: dict[str, Any], got: str, do: str) -> None:
    request = ConvertRequest.of(**options)
    with pytest.raises(UsageError) as raised:
        check_channels(request, FOUR)
    assert raised.value.got == f"{got} for efficientvit_m0, which takes 4 channels"
    assert do in raised.value.do
    check_channels(request, THREE)


def test_own_images_are_enough() -> None:
    check_channels(ConvertRequest.of(calib="photos", formats=["tflite"]), FOUR)
