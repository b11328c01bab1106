"""Decoding: every mode becomes the documented 8-bit image; damaged files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from calib.errors import DataError
from calib.images import content_digest, open_image, upright, with_fourth


def colours(height: int = 12, width: int = 20) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16"])
def test_every_mode_becomes_grey_or_rgb(mode: str) -> None:
    image = Image.fromarray(colours())
    if mode in ("PA", "I;16"):
        image = image.convert("P" if mode == "PA" else "L")
    result = upright(image.convert(mode))
    grey = mode in ("1", "L", "LA", "I;16")
    assert result.mode == ("L" if grey else "RGB")
    assert result.size == (20, 12)


def test_alpha_is_dropped_not_blended() -> None:
    pixels = colours()
    transparent = np.dstack([pixels, np.zeros((12, 20), np.uint8)])
    np.testing.assert_array_equal(np.asarray(upright(Image.fromarray(transparent))), pixels)


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_a_fourth_channel_is_kept_as_it_is(kind: str, tmp_path: Path) -> None:
    pixels = np.dstack([colours(), colours()[..., 0]])
    Image.fromarray(pixels).save(
        tmp_path / f"a.{kind}", **({"lossless": True, "exact": True} if kind == "webp" else {})
    )
    opened = open_image(tmp_path / f"a.{kind}")
    np.testing.assert_array_equal(np.asarray(with_fourth(opened)), pixels)
    np.testing.assert_array_equal(np.asarray(upright(opened)), pixels[..., :3])
    np.testing.assert_array_equal(np.asarray(with_fourth(pixels)), pixels)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "I;16"])
def test_an_image_without_a_fourth_channel_is_refused_for_it(mode: str) -> None:
    image = Image.fromarray(colours()).convert("L" if mode == "I;16" else mode)
    with pytest.raises(DataError, match=r"channels.*for a model of 4"):
        with_fourth(image.convert(mode))


def test_palette_with_transparency_keeps_its_colours(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    image.save(tmp_path / "p.png", transparency=bytes((0, 128)))
    np.testing.assert_array_equal(np.asarray(upright(open_image(tmp_path / "p.png"))), [[[255, 0, 0], [0, 0, 255]]])


def test_cmyk_jpeg_is_not_inverted(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (250, 250, 250)).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    assert np.asarray(open_image(tmp_path / "c.jpg")).min() > 240


def test_16_bit_values_are_rounded_not_cut(tmp_path: Path) -> None:
    values = np.array([[0, 128, 129, 255, 256, 32768, 65407, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    expected = np.rint(values / 257)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "deep.png")), expected)


def test_32_bit_values_beyond_16_bits_are_an_error() -> None:
    with pytest.raises(DataError, match="70000"):
        upright(Image.fromarray(np.array([[0, 70_000]], np.int32)))


def test_float_images_are_an_error() -> None:
    with pytest.raises(DataError, match="'F'"):
        upright(Image.fromarray(np.ones((4, 4), np.float32)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation: int, tmp_path: Path) -> None:
    """The stored pixels are what a camera held that way writes; all eight must come out the same."""
    pixels = colours()
    stored = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.transpose(1, 0, 2),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(pixels, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "turned.png")), pixels)


@pytest.mark.parametrize("shape", [(4, 4, 2), (4, 4, 5), (4,), (0, 4), (3, 4, 4, 3)])
def test_other_array_shapes_are_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="shape"):
        upright(np.zeros(shape, np.uint8))


def test_other_array_types_are_an_error() -> None:
    with pytest.raises(DataError, match="float32"):
        upright(np.zeros((4, 4), np.float32))  # type: ignore[arg-type]


def test_content_digest_survives_lossless_formats_and_grey_as_colour(tmp_path: Path) -> None:
    grey = colours()[:, :, 0]
    for name in ("a.png", "b.bmp", "c.tif"):
        Image.fromarray(grey).save(tmp_path / name)
    Image.fromarray(np.repeat(grey[:, :, None], 3, axis=2)).save(tmp_path / "d.png")
    digests = {content_digest(open_image(path)) for path in tmp_path.iterdir()}
    assert digests == {content_digest(grey)}


def test_content_digest_sees_one_value_and_the_shape() -> None:
    pixels = colours()
    changed = pixels.copy()
    changed[3, 4, 1] ^= 1
    assert content_digest(pixels) != content_digest(changed)
    assert content_digest(pixels) != content_digest(pixels.reshape(20, 12, 3))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_file_is_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(colours(120, 200)).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=f"cut.{suffix}") as caught:
        open_image(path)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_image_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=r"unreadable image .*x\.png"):
        open_image(tmp_path / "x.png")


def test_a_vanished_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        open_image(tmp_path / "gone.png")
