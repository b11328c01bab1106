"""What a user gives: a file, whose kind is recognised by its names, or a preset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calib.errors import DataError
from calib.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocess, Resize
from calib.stated.hugging_face import is_processor, read_processor
from calib.stated.statement import MANIFEST_NAMES, Statement
from calib.stated.timm import CHANNELS, READERS, SIZES, read_settings

KINDS = (
    "a JSON file: a manifest or its input, timm's config.json or pretrained_cfg, or Hugging Face's "
    "preprocessor_config.json"
)
TIMMS_OWN = {"architecture", "num_classes", "first_conv", "classifier", "pool_size", "tag", "license", "url"}
"""Names that show a file to be timm's whole settings, of which many have nothing to do with preprocessing."""

TORCHVISION: Mapping[str, Any] = {
    "resize": Resize.COVER,
    "crop_pct": 224 / 256,
    "interpolation": Interpolation.BILINEAR,
    "mean": IMAGENET_MEAN,
    "std": IMAGENET_STD,
}
"""The usual evaluation with torchvision's transforms on Pillow images: Resize(256), CenterCrop(224), ToTensor, Normalize."""


def complete(preprocess: Preprocess, source: str) -> Statement:
    """A whole Preprocess as a statement."""
    values = {field: getattr(preprocess, field) for field in MANIFEST_NAMES}
    return Statement(source=source, values=values, size=preprocess.size)


def read_given_file(path: Path, source: str) -> Statement:
    """What a file says. Raises DataError for one that is unreadable or of no kind known here."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(got=f"{source}, which cannot be read: {error}", allowed=KINDS, do="correct the path") from error
    if not isinstance(content, dict):
        raise DataError(got=f"{source} with a {type(content).__name__}", allowed=KINDS, do="correct the file")
    return _read(content, source)


def _read(content: Mapping[str, Any], source: str) -> Statement:
    if isinstance(content.get("input"), dict):
        return complete(Preprocess.from_manifest(content["input"]), source)
    if "resize" in content and "crop" in content:
        return complete(Preprocess.from_manifest(content), source)
    if is_processor(content):
        return read_processor(content, source)
    if isinstance(content.get("pretrained_cfg"), dict):
        return read_settings(content["pretrained_cfg"], source)
    known = {*READERS, *CHANNELS, *SIZES, "color"}
    unknown = set() if content.keys() & TIMMS_OWN else content.keys() - known
    if unknown or not content.keys() & known:
        named = f" with {', '.join(sorted(unknown))}" if unknown else ""
        raise DataError(got=f"{source}{named}", allowed=f"{KINDS}; or {', '.join(known)}", do="correct the file")
    return read_settings(content, source)
