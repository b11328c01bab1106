"""docs/bring-your-own-model.md: every command and every line of Python in it is run, up to the point where work would begin."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import evit_mobile
from evit_mobile import reference as reference_module
from evit_mobile.commands import convert as pipeline
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.reference import Reference, load_reference
from tests.evit_mobile.test_cli import run
from tests.oracles import timm_model

PAGE = Path(__file__).parents[1] / "docs" / "bring-your-own-model.md"
INDENTED = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE.read_text("utf-8"), re.MULTILINE)
COMMANDS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("    evit-mobile ")]
PYTHON = [block for block in INDENTED if "evit_mobile.convert" in block]

HALVES = [0.5, 0.5, 0.5]
SETTINGS = {"mean": HALVES, "std": HALVES, "crop_pct": 1.0, "interpolation": "bilinear", "img_size": 64}
PROCESSOR = {"image_processor_type": "ViTImageProcessor", "size": {"height": 64, "width": 64}, "resample": 2,
             "do_normalize": True, "image_mean": HALVES, "image_std": HALVES}  # fmt: skip
EXPECTED: dict[str, tuple[str, float, tuple[int, int], float]] = {
    "model_best": ("args in the checkpoint", 0.5, (64, 64), 1.0),
    "--size 256": ("default", 0.485, (256, 256), 1.0),
    "timm:": ("--preprocess timm:efficientvit_b1.r256_in1k", 0.485, (256, 256), 1.0),
    "my-model": ("preprocessor_config.json", 0.5, (64, 64), 1.0),
    "lightning": ("hyper_parameters in the checkpoint", 0.5, (64, 64), 1.0),
}
"""By what is in a command: who states the mean, the mean of red, input size and crop."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the page speaks of."""
    place = tmp_path_factory.mktemp("own")
    state = load_reference("efficientvit_m0", size=(64, 64)).module.state_dict()
    save(place / "output/train/run/model_best.pth.tar", {"state_dict": state, "args": argparse.Namespace(**SETTINGS)})
    save(place / "b1.pth", load_reference("efficientvit_b1", weights="random", num_classes=10).module.state_dict())
    save(place / "lightning_logs/version_0/checkpoints/last.ckpt", {"state_dict": state, "hyper_parameters": SETTINGS})
    (place / "my-model").mkdir()
    save_file(state, place / "my-model" / "model.safetensors")
    (place / "my-model" / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    (place / "my-model" / "config.json").write_text(json.dumps({"pretrained_cfg": {"num_classes": 10}}))
    (place / "photos").mkdir()
    for number in range(48):
        Image.effect_noise((90, 70 + number), 60).save(place / "photos" / f"{number}.png")
    return place


def save(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch, place: Path) -> list[Reference]:
    """The model of each conversion; each ends where the model and its images have been found and work would begin."""
    references: list[Reference] = []

    def stop(job: Any, _report: Any) -> None:
        assert job.calibration.preprocess == job.held_out.preprocess == job.reference.preprocessing.preprocess
        references.append(job.reference)
        raise SystemExit(0)

    def from_disk(_reference: str, **options: Any) -> Any:
        return load_checkpoint(place / "my-model" / "model.safetensors", **options)

    monkeypatch.setattr(pipeline, "prepare_all", stop)
    monkeypatch.setattr(reference_module, "load_hub", from_disk)
    monkeypatch.chdir(place)
    return references


def test_the_page_has_commands() -> None:
    assert (len(COMMANDS), len(PYTHON)) == (6, 2)


@pytest.mark.parametrize("command", COMMANDS, ids=str.strip)
def test_a_command_reads_what_the_page_says(
    command: str, gathered: list[Reference], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, *shlex.split(command)[1:]) == 0
    (reference,) = gathered
    (expected,) = (value for key, value in EXPECTED.items() if key in command)
    preprocess = reference.preprocessing.preprocess
    found = (reference.preprocessing.stated_by["mean"], preprocess.mean[0], preprocess.size, preprocess.crop_pct)
    assert found == expected


@pytest.mark.parametrize("block", PYTHON, ids=["plain", "with settings"])
def test_a_live_module(block: str, gathered: list[Reference]) -> None:
    module: nn.Module = timm_model("efficientvit_m0", num_classes=10, img_size=64)
    with pytest.raises(SystemExit):
        exec(re.sub("^    ", "", block, flags=re.MULTILINE), {"module": module, "evit_mobile": evit_mobile})
    (reference,) = gathered
    given = "mean=" in block
    assert reference.preprocessing.preprocess.mean[0] == (0.5 if given else 0.485)
    assert reference.preprocessing.preprocess.crop_pct == (1.0 if given else 0.875)
    assert reference.preprocessing.stated_by["mean"].startswith("--mean" if given else "pretrained_cfg of the module's")
