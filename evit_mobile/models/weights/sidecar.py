"""The config.json that Hugging Face's hub keeps beside a weights file."""

from __future__ import annotations

import json
from pathlib import Path

from evit_mobile.models.weights.unwrap import as_size

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names under which a weights file and a config.json in the same folder belong together."""
CONFIG_FILE = "config.json"


def recorded_size(weights: Path) -> tuple[int, int] | None:
    """Input size (height, width) in timm's config.json beside `weights`, None where there is none."""
    config = weights.with_name(CONFIG_FILE)
    if weights.name not in HUB_FILES or not config.is_file():
        return None
    try:
        content = json.loads(config.read_bytes())
    except ValueError:
        return None  # not timm's; the weights are usable without it
    settings = content.get("pretrained_cfg") if isinstance(content, dict) else None
    return as_size(settings.get("input_size")) if isinstance(settings, dict) else None
