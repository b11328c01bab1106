"""Photos as phones write them: what cannot be read is said, and no photo is too large by somebody else's limit."""

from __future__ import annotations

import io
import struct
import sys
import warnings
import zlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import ExifTags, Image

from calib import images, suffixes
from calib.errors import DataError
from calib.images import content_digest, decode_image, open_image
from calib.opening import open_dataset
from tests.calib.pictures import HEIC, iphone_folder


@pytest.fixture
def some_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for pillow-heif, whose every photo is 4x3."""
    package = ModuleType("pillow_heif")
    photo = SimpleNamespace(size=(4, 3), to_pillow=lambda: Image.new("RGB", (4, 3), (1, 2, 3)))
    package.open_heif = lambda _stream: photo  # type: ignore[attr-defined]  # a module of our own making
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    monkeypatch.setattr(suffixes, "HEIF_PACKAGE", "calib")  # any that is installed


@pytest.mark.usefixtures("no_heif")
def test_heic_under_another_name_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(HEIC)
    with pytest.raises(DataError, match=r"HEIC image in .*a\.jpg.*evit-mobile\[heif\]"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.usefixtures("some_heif")
def test_heic_is_read_where_pillow_heif_is_installed(tmp_path: Path) -> None:
    dataset = open_dataset(iphone_folder(tmp_path, heic=2, jpeg=1))
    assert len(dataset) == 3
    assert dataset.notes == ()
    photo = dataset.item(0)
    assert isinstance(photo, Image.Image)
    assert (photo.size, photo.getpixel((0, 0))) == ((4, 3), (1, 2, 3))


@pytest.mark.usefixtures("some_heif")
def test_a_heic_photo_beyond_the_limit_is_refused_for_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LARGEST_PIXELS", 11)
    with pytest.raises(DataError, match="4x3 pixels in photo"):
        decode_image(HEIC, "photo")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_real_heic_photos_are_upright(orientation: int, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is optional")
    gradient = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    photo = Image.fromarray(np.dstack([gradient] * 3))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    pillow_heif.from_pillow(photo).save(tmp_path / "a.heic", quality=100, exif=exif.tobytes())
    photo.save(tmp_path / "b.png", exif=exif)
    ours, expected = (np.asarray(open_image(tmp_path / name)).astype(int) for name in ("a.heic", "b.png"))
    assert ours.shape == expected.shape
    assert abs(ours - expected).max() <= 8
    assert len(open_dataset(tmp_path)) == 2
    assert "HEIF" not in Image.OPEN


def black_png(width: int, height: int, *, written: int | None = None) -> bytes:
    """A grey image of any size in few bytes; only `written` of its rows where given."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    rows = (
        b"".join(packer.compress(bytes(width + 1)) for _ in range(height if written is None else written))
        + packer.flush()
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_200_megapixels_are_read_without_a_word() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(black_png(16320, 12240), "photo").size == (16320, 12240)
    assert limit == Image.MAX_IMAGE_PIXELS


def test_the_limit_is_our_own_and_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = black_png(40_000, 30_000, written=0)
    with pytest.raises(DataError, match="40000x30000 pixels in photo; allowed: at most 512 megapixels") as caught:
        decode_image(bomb, "photo")
    assert "repair" not in str(caught.value)
    monkeypatch.setattr(images, "LARGEST_PIXELS", 63)
    with pytest.raises(DataError, match="8x8 pixels"):
        decode_image(black_png(8, 8), "photo")


def test_a_reader_with_pillows_own_limit_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "WEBP")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="more pixels than Pillow reads") as caught:
        decode_image(stream.getvalue(), "photo")
    assert "repair" not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000"])
def test_images_are_identified_as_pillow_does(kind: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (40, 50, 3), np.uint8)).save(stream, kind)
    with Image.open(io.BytesIO(stream.getvalue())) as image:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(np.asarray(decode_image(stream.getvalue(), "photo").convert("RGB")), expected)


def test_the_digest_of_a_large_image_is_that_of_all_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (37, 50, 3), np.uint8)
    whole = content_digest(pixels)
    monkeypatch.setattr(images, "DIGESTED_PIXELS", 130)
    assert content_digest(pixels) == whole
