"""Models that were trained on BGR: their first convolution is turned, and files, manifest and apps know RGB alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calib.errors import DataError
from evit_mobile.commands.document import model_entry
from evit_mobile.commands.reload import reload_reference
from evit_mobile.errors import UsageError
from evit_mobile.images.preprocessing import PreprocessOptions
from evit_mobile.models.weights.adapt import BGR_NOTE
from evit_mobile.reference import Reference, at_size, load_reference
from tests.oracles import randomise, timm_model

SIZE = (64, 64)
MEAN, STD = (0.4, 0.45, 0.5), (0.2, 0.25, 0.3)
STATED = {"color": "bgr", "mean": MEAN, "std": STD}
IMAGE = torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """What takes BGR."""
    return randomise(timm_model("efficientvit_m0", num_classes=4, img_size=64))


def saved(network: nn.Module, folder: Path, **beside: Any) -> Path:
    torch.save({"state_dict": network.state_dict(), **beside}, folder / "m0.pth")
    return folder / "m0.pth"


def output(module: nn.Module, image: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.as_tensor(module(image))


def takes_rgb(reference: Reference, network: nn.Module) -> bool:
    """Whether the reference gives for RGB what the network gives for BGR."""
    return torch.allclose(output(reference.module, IMAGE), output(network, IMAGE.flip(1)), atol=1e-5)


def test_what_a_checkpoint_states_is_turned(network: nn.Module, tmp_path: Path) -> None:
    reference = load_reference(None, weights=saved(network, tmp_path, config=STATED))
    assert takes_rgb(reference, network)
    decision = reference.preprocessing
    assert (decision.preprocess.mean, decision.preprocess.std) == (MEAN[::-1], STD[::-1])
    assert (decision.preprocess.color, decision.stated_by["color"]) == ("RGB", "config in the checkpoint")
    assert BGR_NOTE in reference.notes


def test_what_is_given_is_turned_once_and_found_again(network: nn.Module, tmp_path: Path) -> None:
    """`validate` has no options: the manifest tells."""
    path = saved(network, tmp_path, config={**STATED, "color": "RGB"})
    reference = load_reference(None, weights=path, preprocess=PreprocessOptions(color="BGR"))
    assert takes_rgb(reference, network)
    assert reference.preprocessing.preprocess.mean == MEAN[::-1]
    entry = model_entry(reference)
    assert entry.color == "BGR"
    assert takes_rgb(reload_reference(entry, SIZE), network)
    stated = load_reference(
        None, weights=saved(network, tmp_path, config=STATED), preprocess=PreprocessOptions(color="RGB")
    )
    assert not stated.bgr
    assert not takes_rgb(reload_reference(model_entry(stated), SIZE), network)


def test_a_live_network_is_turned_as_its_file_is(network: nn.Module) -> None:
    reference = load_reference(network, preprocess=PreprocessOptions(color="BGR"))
    assert takes_rgb(reference, network)
    again = reload_reference(model_entry(reference), SIZE, module=network)
    assert takes_rgb(again, network)
    larger, image = at_size(reference, (96, 96)), torch.randn(1, 3, 96, 96)
    plain = at_size(load_reference(network), (96, 96))
    assert torch.allclose(output(larger.module, image), output(plain.module, image.flip(1)), atol=1e-5)


def test_a_module_with_a_forward_of_its_own_turns_its_colours_itself(network: nn.Module) -> None:
    with pytest.raises(UsageError, match=r"x\[:, \[2, 1, 0\]\]"):
        load_reference(nn.Sequential(network, nn.Softmax(1)), preprocess=PreprocessOptions(color="BGR"))


def test_four_channels_have_no_other_order(tmp_path: Path) -> None:
    network = timm_model("efficientvit_m0", num_classes=4, in_chans=4, img_size=64)
    halves = PreprocessOptions(mean=(0.5,) * 4, std=(0.5,) * 4)
    reference = load_reference(None, weights=saved(network, tmp_path, config={"color": "BGR"}), preprocess=halves)
    with pytest.raises(DataError, match="BGR for a model of 4 channels, as stated by config"):
        _ = reference.preprocessing


def test_grey_has_no_order(tmp_path: Path) -> None:
    network = timm_model("efficientvit_m0", num_classes=4, in_chans=1, img_size=64)
    reference = load_reference(None, weights=saved(network, tmp_path, config={"color": "BGR"}))
    grey = torch.randn(1, 1, *SIZE)
    assert not reference.bgr
    assert torch.allclose(output(reference.module, grey.expand(1, 3, *SIZE)), output(network, grey), atol=1e-5)
