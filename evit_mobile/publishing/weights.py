"""The reference's weights as the hub keeps them: model.safetensors, and config.json with what else `--weights hf://...` reads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from converters.files import write_bytes
from evit_mobile.commands.recorded import manifest_reference
from evit_mobile.errors import UsageError
from evit_mobile.record.manifest import Manifest
from evit_mobile.strict_json import to_json

WEIGHTS, CONFIG = "model.safetensors", "config.json"


def write_weights(folder: Path, manifest: Manifest, place: Path) -> None:
    """Writes the weights that the artefacts of `folder` were proven against, with size, classes and preprocessing, into `place`.

    Raises UsageError for those of a live module, or where they are no longer where the manifest says, CheckpointError.
    """
    from safetensors.torch import save_file

    model = manifest.model
    if model.weights == "module":
        raise UsageError(
            got="--include-weights for a live module, which no file holds",
            allowed="weights from a file, the hub or the package",
            do="leave it out",
        )
    recovered = folder / Path(model.source).name
    if model.variation is not None and recovered.exists():  # it says what it was recovered from
        shutil.copyfile(recovered, place / WEIGHTS)
    else:
        state = manifest_reference(folder, manifest, None).module.state_dict()
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, place / WEIGHTS)
    write_bytes(place / CONFIG, to_json(config(manifest)).encode())


def config(manifest: Manifest) -> dict[str, Any]:
    """timm's config.json, of https://huggingface.co/docs/timm, as far as a manifest knows it."""
    given, model = manifest.input, manifest.model
    settings = {
        "input_size": list(given.shape[1:]),
        "mean": given.mean,
        "std": given.std,
        "crop_pct": given.crop.pct,
        "crop_mode": "squash" if given.resize.mode == "squash" else "center",
        "interpolation": given.interpolation,
    }
    names = {"label_names": manifest.labels} if manifest.labels else {}
    return {"architecture": model.name, "num_classes": model.num_classes, **names, "pretrained_cfg": settings}
