"""Decoding: from a file, encoded bytes or an array to an upright 8-bit image, and the identity of its content.

What every mode becomes, exactly:
- EXIF orientation is applied first.
- Grey (1, L) stays grey; palette, CMYK, YCbCr and HSV become RGB by Pillow's conversion, without colour profiles.
- Alpha is dropped, not blended, as torchvision and timm do, but where a fourth channel is asked for.
- 16-bit grey becomes round(value / 257). (Pillow itself keeps the high byte of 16-bit RGB files.)
- Of an animation, the first frame counts.
"""

from __future__ import annotations

import hashlib
import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from calib.errors import DataError
from calib.suffixes import HEIF_EXTRA

Picture = Image.Image | NDArray[np.uint8]
"""What a dataset's item is: a Pillow image, or uint8 pixels (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)."""

LARGEST_PIXELS = 1 << 29
"""512 megapixels, 2 GB while an image is decoded: more than any phone takes. Pillow's own limit is one for the whole process."""
DIGESTED_PIXELS = 1 << 18
"""Pixels that are copied at a time to take their digest; a copy of them stays in a processor's cache."""

_CONVERSIONS: dict[str, tuple[str, ...]] = {
    "1": ("L",),
    "L": (),
    "LA": ("L",),
    "La": ("LA", "L"),
    "P": ("RGBA", "RGB"),  # by way of RGBA, or Pillow warns about palettes with transparency
    "PA": ("RGBA", "RGB"),
    "RGB": (),
    "RGBA": ("RGB",),
    "RGBX": ("RGB",),
    "RGBa": ("RGBA", "RGB"),
    "CMYK": ("RGB",),
    "YCbCr": ("RGB",),
    "HSV": ("RGB",),
}
_WITH_ALPHA = frozenset(("LA", "La", "PA", "RGBA", "RGBa"))
_MASKABLE = frozenset(("1", "L", "P", "RGB"))
_SIXTEEN_BIT = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I"))


def has_alpha(image: Image.Image) -> bool:
    """Whether an image has a channel beside its colours, or says which of these is transparent."""
    return image.mode in _WITH_ALPHA or (image.mode in _MASKABLE and "transparency" in image.info)


def with_fourth(picture: Picture) -> Image.Image:
    """`picture` as an 8-bit image of mode RGBA, turned as its EXIF orientation says; its fourth channel may be anything.

    Raises DataError for one that has none, and as `upright`.
    """
    image = _from_array(picture) if isinstance(picture, np.ndarray) else picture
    if not has_alpha(image):
        raise DataError(
            got=f"an image of {len(image.getbands())} channels (Pillow mode {image.mode!r}), for a model of 4",
            allowed="images with a fourth channel: PNG, WebP or TIFF of mode RGBA, or .npz of shape (N, H, W, 4)",
            do="pass images as the model was trained on",
        )
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    return image if image.mode == "RGBA" else (image.convert("LA") if image.mode == "La" else image).convert("RGBA")


def upright(picture: Picture) -> Image.Image:
    """`picture` as an 8-bit image of mode L or RGB, turned as its EXIF orientation says.

    Raises DataError for arrays of another shape or dtype and for modes that have no 8-bit meaning (float, CIELAB).
    """
    image = _from_array(picture) if isinstance(picture, np.ndarray) else picture
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in _SIXTEEN_BIT:
        return _from_16_bit(image)
    if image.mode not in _CONVERSIONS:
        raise DataError(
            got=f"an image of Pillow mode {image.mode!r}",
            allowed=f"8-bit or 16-bit images ({', '.join(_CONVERSIONS)}, I;16)",
            do="convert it to an 8-bit RGB image",
        )
    for mode in _CONVERSIONS[image.mode]:
        image = image.convert(mode)
    return image


def _from_array(pixels: NDArray[np.uint8]) -> Image.Image:
    grey = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 1)
    colour = pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    if pixels.dtype != np.uint8 or not (grey or colour) or 0 in pixels.shape:
        raise DataError(
            got=f"an image array of shape {pixels.shape} and dtype {pixels.dtype}",
            allowed="uint8 arrays of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)",
            do="convert the array",
        )
    return Image.fromarray(pixels.reshape(pixels.shape[:2]) if grey else pixels)


def _from_16_bit(image: Image.Image) -> Image.Image:
    """round(value / 257): 0 -> 0, 65535 -> 255."""
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise DataError(
            got=f"an integer image with values in {values.min()}..{values.max()}",
            allowed="16-bit values, 0..65535",
            do="convert it to an 8-bit image",
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))


def open_image(path: Path) -> Image.Image:
    """The image in the file, upright, mode L, RGB or RGBA. Raises DataError naming the file."""
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: Path) -> bytes:
    """The bytes of an image file. Raises DataError naming the file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(str(path), error) from error


def decode_image(encoded: bytes, name: str) -> Image.Image:
    """The image in the bytes of a file, upright, mode L, RGB or RGBA. Raises DataError that calls it `name`, for more than LARGEST_PIXELS
    before anything is decoded.
    """
    try:
        with _identified(encoded) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise _too_large(f"{image.width}x{image.height} pixels")
            image.load()
            return with_fourth(image) if has_alpha(image) else upright(image)
    except DataError as error:
        raise DataError(got=f"{error.got} in {name}", allowed=error.allowed, do=error.do) from error
    except Image.DecompressionBombError as error:  # some of Pillow's readers hold on to its own limit
        raise _too_large(f"more pixels than Pillow reads of this format, in {name}") from error
    except Exception as error:  # on damaged bytes Pillow's decoders raise nearly anything
        raise unreadable(name, error) from error


def _identified(encoded: bytes) -> Image.Image:
    """The image in the bytes of a file, whose size is known and which is not decoded yet: as Image.open gives it, which also applies
    a limit on pixels that is one for the whole process. Raises what Image.open raises, and DataError for HEIC that cannot be read.
    """
    Image.preinit()
    Image.init()
    for kind in Image.ID:
        factory, accept = Image.OPEN[kind]
        if accept is None or accept(encoded[:16]) is True:
            try:
                return factory(io.BytesIO(encoded), "")
            except (SyntaxError, IndexError, TypeError, struct.error):  # not of this kind
                continue
    if encoded[4:8] == b"ftyp" and encoded[8:12] in HEIF_BRANDS:
        return _from_heif(encoded)
    raise UnidentifiedImageError


HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
"""First brands of files with still images in HEVC, ISO/IEC 23008-12."""


def _from_heif(encoded: bytes) -> Image.Image:
    """A photo as iPhones write it, already upright. Raises DataError without pillow-heif."""
    try:
        import pillow_heif
    except ImportError as error:
        raise DataError(
            got="a HEIC image", allowed="HEIC where pillow-heif is installed", do=f"{HEIF_EXTRA}, or convert it to JPEG"
        ) from error
    photo = pillow_heif.open_heif(io.BytesIO(encoded))
    if photo.size[0] * photo.size[1] > LARGEST_PIXELS:
        raise _too_large(f"{photo.size[0]}x{photo.size[1]} pixels")
    image: Image.Image = photo.to_pillow()
    return image


def _too_large(what: str) -> DataError:
    return DataError(
        got=f"an image of {what}",
        allowed=f"at most {LARGEST_PIXELS >> 20} megapixels ({LARGEST_PIXELS} pixels)",
        do="scale it down",
    )


def unreadable(name: str, error: Exception) -> DataError:
    """The error for an image called `name` that could not be read because of `error`."""
    # Pillow names the stream that it was given, which tells a user nothing.
    why = "of no known format" if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"
    return DataError(
        got=f"unreadable image {name} ({why})",
        allowed="complete image files that Pillow can decode",
        do="repair or remove the file",
    )


def content_digest(picture: Picture) -> str:
    """SHA-256 over size and RGB pixels: equal for the same image in another lossless format or under another name."""
    image = upright(picture)
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    rows = max(1, DIGESTED_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        digest.update(strip.convert("RGB").tobytes())
    return digest.hexdigest()
