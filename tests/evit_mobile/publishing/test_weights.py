"""The weights as the hub keeps them: the tensors, and a config.json that says what else they need."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calib.preprocess import Interpolation, Preprocess, Resize
from evit_mobile.errors import UsageError
from evit_mobile.publishing import weights
from evit_mobile.publishing.weights import CONFIG, WEIGHTS, config, write_weights
from evit_mobile.record.manifest import Manifest
from evit_mobile.spec import Variation
from tests.manifests import ARTEFACT, MANIFEST, input_of, of_model


def test_a_config_is_timms() -> None:
    preprocess = Preprocess(
        size=(64, 96), crop_pct=0.875, interpolation=Interpolation.BILINEAR, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    manifest = replace(of_model(ARTEFACT, num_classes=2), input=input_of(preprocess), labels=("a", "b"))
    assert json.loads(json.dumps(config(manifest))) == {
        "architecture": "tiny",
        "num_classes": 2,
        "label_names": ["a", "b"],
        "pretrained_cfg": {
            "input_size": [3, 64, 96],
            "mean": [0.1, 0.2, 0.3],
            "std": [0.4, 0.5, 0.6],
            "crop_pct": 0.875,
            "crop_mode": "center",
            "interpolation": "bilinear",
        },
    }


def test_what_is_unknown_is_left_out_and_what_is_squashed_is_said() -> None:
    assert "label_names" not in config(MANIFEST)
    squashed = replace(MANIFEST, input=input_of(Preprocess(size=(32, 32), resize=Resize.SQUASH)))
    assert config(squashed)["pretrained_cfg"]["crop_mode"] == "squash"


def test_what_is_written_is_read_as_it_was_stated() -> None:
    """Our own reader of timm's settings is the judge."""
    from calib.stated.timm import read_settings

    preprocess = Preprocess(size=(32, 64), crop_pct=0.9, mean=(0.5,) * 3, std=(0.25,) * 3)
    statement = read_settings(config(replace(MANIFEST, input=input_of(preprocess)))["pretrained_cfg"], "a hub")
    assert statement.size == (32, 64)
    assert all(getattr(preprocess, field) == value for field, value in statement.values.items())
    assert {"mean", "std", "crop_pct", "interpolation"} <= statement.values.keys()


def test_a_live_module_has_no_weights_to_include(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--include-weights for a live module.*leave it out"):
        write_weights(tmp_path, of_model(ARTEFACT, weights="module"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_recovered_checkpoint_is_copied_with_its_record(tmp_path: Path) -> None:
    folder, place = tmp_path / "release", tmp_path / "place"
    folder.mkdir()
    place.mkdir()
    (folder / "tiny.relu-attention.safetensors").write_bytes(b"weights and record")
    source = "/elsewhere/tiny.relu-attention.safetensors"
    manifest = of_model(ARTEFACT, variation=Variation.RELU_ATTENTION, source=source)
    write_weights(folder, manifest, place)
    assert (place / WEIGHTS).read_bytes() == b"weights and record"
    assert json.loads((place / CONFIG).read_text())["architecture"] == "tiny"


def test_tensors_are_the_references_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from safetensors.torch import load_file

    module = torch.nn.Linear(3, 2)
    module.weight = torch.nn.Parameter(torch.randn(3, 2).T)  # not contiguous, as safetensors wants it
    asked: list[Any] = []

    def reference(folder: Path, manifest: Manifest, given: object) -> Any:
        asked.append((folder, manifest, given))
        return SimpleNamespace(module=module)

    monkeypatch.setattr(weights, "manifest_reference", reference)
    write_weights(tmp_path, MANIFEST, tmp_path)
    assert asked == [(tmp_path, MANIFEST, None)]
    written = load_file(tmp_path / WEIGHTS)
    assert written.keys() == {"weight", "bias"}
    assert all(torch.equal(written[name], value) for name, value in module.state_dict().items())
