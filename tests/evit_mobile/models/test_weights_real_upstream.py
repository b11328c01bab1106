"""Against MIT's and Microsoft's own code, where EVIT_MOBILE_UPSTREAM names it (see tests/oracles.py): `make test-upstream`."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import tests.oracles as oracles
import tests.upstream_record as upstream_record
from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights import load_checkpoint, load_module

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]
TOLERANCE = 1e-5  # relative
MICROSOFT = [f"efficientvit_m{i}" for i in range(6)]
MIT = [name for name, origin in upstream_record.CLASSIFIERS.items() if origin == "mit"]


def upstream(name: str, **options: object) -> nn.Module:
    build = oracles.microsoft_model if name in MICROSOFT else oracles.mit_model
    return oracles.randomise(build(name, **options))


def error(ours: nn.Module, theirs: nn.Module, size: tuple[int, int]) -> float:
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return oracles.relative_error(ours(image), theirs(image))


@pytest.mark.parametrize("name", [*MICROSOFT, *MIT])
def test_files_and_live_modules_give_the_same_outputs(name: str, tmp_path: Path) -> None:
    theirs = upstream(name)
    torch.save({"model" if name in MICROSOFT else "state_dict": theirs.state_dict()}, tmp_path / "weights.pth")
    loaded = load_checkpoint(tmp_path / "weights.pth")
    assert loaded.spec.name == name
    assert error(loaded.module, theirs, (224, 224)) < TOLERANCE
    assert load_module(theirs).origin == loaded.origin


@pytest.mark.parametrize("name", MICROSOFT)
@pytest.mark.parametrize("distillation", [False, True])
def test_fused_and_distilled_models_give_the_same_outputs(name: str, distillation: bool, tmp_path: Path) -> None:
    theirs = upstream(name, distillation=distillation)
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    assert error(load_checkpoint(tmp_path / "weights.pth").module, theirs, (224, 224)) < TOLERANCE
    oracles.microsoft_module().replace_batchnorm(theirs)
    torch.save(theirs.state_dict(), tmp_path / "fused.pth")
    assert error(load_checkpoint(tmp_path / "fused.pth").module, theirs, (224, 224)) < TOLERANCE
    assert load_module(theirs).origin == "msra"


@pytest.mark.parametrize("size", [128, 192, 384, 512])
def test_resizing_is_microsofts(size: int, tmp_path: Path) -> None:
    """utils.load_model is what main.py --finetune calls to go to another resolution."""
    trained = upstream("efficientvit_m0")
    torch.save({"model": trained.state_dict()}, tmp_path / "weights.pth")
    theirs = oracles.microsoft_model("efficientvit_m0", img_size=size)
    checkpoint = oracles.microsoft_utils().load_model(str(tmp_path / "weights.pth"), theirs)
    theirs.load_state_dict(checkpoint["model"], strict=False)
    theirs.train().eval()
    loaded = load_checkpoint(tmp_path / "weights.pth", size=(size, size))
    assert error(loaded.module, theirs, (size, size)) < TOLERANCE


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (96, 160), (192, 256), (288, 288)])
def test_mits_quadratic_branch_is_the_same_function(size: tuple[int, int], tmp_path: Path) -> None:
    """Upstream attends quadratically where a grid has no more cells than a head has channels."""
    theirs = upstream("efficientvit_b1", n_classes=10)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")
    assert error(load_checkpoint(tmp_path / "weights.pt", size=size).module, theirs, size) < TOLERANCE


def test_a_checkpoint_of_microsofts_training_loads(tmp_path: Path) -> None:
    """The dictionary that main.py saves."""
    theirs = upstream("efficientvit_m0")
    optimizer = torch.optim.AdamW(theirs.parameters())
    checkpoint = {
        "model": theirs.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": {"base_values": [1e-3]},
        "epoch": 1,
        "model_ema": upstream("efficientvit_m0").state_dict(),
        "scaler": {"scale": 65536.0},
        "args": argparse.Namespace(input_size=224, model="EfficientViT_M0"),
    }
    torch.save(checkpoint, tmp_path / "checkpoint_1.pth")
    assert error(load_checkpoint(tmp_path / "checkpoint_1.pth").module, theirs, (224, 224)) < TOLERANCE


def test_a_checkpoint_of_mits_trainer_loads_its_average(tmp_path: Path) -> None:
    """The dictionary that Trainer.save_model saves, with the repository's own EMA."""
    theirs = upstream("efficientvit_b0")
    ema = sys.modules["efficientvit.apps.utils.ema"].EMA(theirs, 0.9998)
    torch.save({"state_dict": upstream("efficientvit_b0").state_dict(), "ema": ema.state_dict()}, tmp_path / "c.pt")
    assert error(load_checkpoint(tmp_path / "c.pt").module, ema.shadows, (224, 224)) < TOLERANCE


def original(origin: str, name: str) -> nn.Module:
    if origin == "msra":
        return oracles.microsoft_model(name)
    if name == "efficientvit_l0":
        return oracles.mit_backbone_l0()
    return oracles.mit_segmenter(name) if "_seg_" in name else oracles.mit_model(name)


@pytest.mark.parametrize("name", upstream_record.SEGMENTERS)
def test_segmentation_models_give_the_same_maps(name: str, tmp_path: Path) -> None:
    theirs = oracles.randomise(oracles.mit_segmenter(name))
    torch.save({"state_dict": theirs.state_dict()}, tmp_path / "weights.pt")
    loaded = load_checkpoint(tmp_path / "weights.pt", size=(128, 192))
    assert loaded.spec.name == name
    assert error(loaded.module, theirs, (128, 192)) < TOLERANCE
    assert load_module(theirs).spec.name == name


def test_efficientvit_sam_is_refused_by_name(tmp_path: Path) -> None:
    encoder = oracles.mit_sam_encoder_l0()
    torch.save(encoder.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="this is EfficientViT-SAM's encoder"):
        load_checkpoint(tmp_path / "weights.pt")
    whole = {f"image_encoder.{key}": tensor for key, tensor in encoder.state_dict().items()}
    torch.save({**whole, "mask_decoder.iou_token.weight": torch.ones(2)}, tmp_path / "whole.pt")
    with pytest.raises(CheckpointError, match="this is EfficientViT-SAM: "):
        load_checkpoint(tmp_path / "whole.pt")
    torch.save(encoder.backbone.state_dict(), tmp_path / "backbone.pt")
    assert load_checkpoint(tmp_path / "backbone.pt").spec.name == "efficientvit_l0"


@pytest.mark.parametrize("record", sorted(path.stem for path in upstream_record.FOLDER.glob("m*.json")))
def test_the_records_are_what_the_code_says(record: str) -> None:
    origin, name, *fused = record.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = original(origin, name)
    if fused:
        oracles.microsoft_module().replace_batchnorm(model)
    stored = json.loads((upstream_record.FOLDER / f"{record}.json").read_text())
    now = upstream_record.record(model, stored["source"], stored["size"])
    assert now["keys"] == stored["keys"]
    assert (now["norm_eps"], now["attention_eps"]) == (stored["norm_eps"], stored["attention_eps"])
    largest = max(abs(a - b) for a, b in zip(now["logits"], stored["logits"], strict=True))
    assert largest < 1e-4 * stored["magnitude"]
