"""Images of a user's folder: decoded once, however often a conversion runs over them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib import datasets
from calib.images import Picture, open_image
from calib.opening import open_dataset
from calib.preprocess import Preprocess
from evit_mobile.images.data import calibration_images, held_out_images


def test_no_photo_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    decoded: Counter[str] = Counter()

    def counted(path: Path) -> Picture:
        decoded[path.name] += 1
        return open_image(path)

    monkeypatch.setattr(datasets, "open_image", counted)
    preprocess = Preprocess(size=(32, 32))
    source = open_dataset(tmp_path)
    calibration = calibration_images(source, preprocess, 0, 16)
    held_out = held_out_images(source, calibration, preprocess, 0, 16)
    for images in (calibration, held_out, held_out, calibration):
        list(images.batches())
    assert len(calibration) + len(held_out) > 20
    assert set(decoded.values()) == {1}
