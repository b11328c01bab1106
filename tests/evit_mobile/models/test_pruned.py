"""Models pruned block by block: channels within blocks are read off the tensors, of a file and of a live module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from evit_mobile.commands.document import own_architecture
from evit_mobile.errors import CheckpointError
from evit_mobile.models.build import build_model
from evit_mobile.models.complexity import count_parameters
from evit_mobile.models.hidden import convolution_of
from evit_mobile.models.mit import LiteMLA
from evit_mobile.models.pruned import places
from evit_mobile.models.surroundings.describe import measured_cost
from evit_mobile.models.weights import load_checkpoint, load_module
from evit_mobile.spec import MODELS, Architecture, ModelSpec
from tests.oracles import randomise, relative_error, timm_model

SIZE = (64, 64)
FEWER = 5


def narrowed(architecture: Architecture, spec: ModelSpec) -> Architecture:
    """Every place within blocks with fewer channels: a head of attention less, elsewhere FEWER and one more from place to place."""
    with torch.device("meta"):
        model = build_model(replace(spec, architecture=architecture))
    hidden = []
    for index, (path, block, kind) in enumerate(places(model, architecture)):
        usual = convolution_of(block.get_submodule(kind.gives[0])).out_channels
        fewer = 3 * block.head_dim if isinstance(block, LiteMLA) else FEWER + index
        hidden.append((path, usual - fewer if usual > fewer else 1))
    return replace(architecture, hidden=tuple(hidden))


def pruned(name: str) -> tuple[Architecture, nn.Module]:
    """A variant with fewer channels in each of its blocks, with random weights."""
    spec = replace(MODELS[name], size=SIZE)
    architecture = narrowed(spec.architecture, spec)
    torch.manual_seed(0)
    return architecture, randomise(build_model(replace(spec, architecture=architecture)))


@pytest.mark.parametrize("name", ["efficientvit_b0", "efficientvit_l1", "efficientvit_seg_l1_cityscapes"])
def test_channels_within_blocks_are_read_off_the_tensors(name: str, tmp_path: Path) -> None:
    architecture, model = pruned(name)
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    found = load_checkpoint(tmp_path / "weights.pth", size=SIZE)
    assert (found.spec.name, found.spec.architecture) == (name, architecture)
    image = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(found.module(image), model(image))
    (note,) = (note for note in found.notes if note.startswith("pruned"))
    path, count = architecture.hidden[0]
    assert note.startswith(f"pruned within blocks, read off the tensors: {path} {count}, ")
    assert note.endswith(f" and {len(architecture.hidden) - 3} more")


def test_keys_of_each_attention_may_have_a_width_of_their_own(tmp_path: Path) -> None:
    architecture, model = pruned("efficientvit_m0")
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    found = load_checkpoint(tmp_path / "weights.pth", size=SIZE)
    image = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        assert torch.equal(found.module(image), model(image))
    first = dict(architecture.hidden)["stages.0.blocks.0.mixer.m.attn.dws.0"]
    assert any(f"keys of {first} channels" in note for note in found.notes)


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_a_live_module_that_is_pruned_block_by_block_loads(name: str) -> None:
    _, model = pruned(name)
    assert load_module(model, size=SIZE).spec.architecture.hidden


def test_timms_module_with_a_narrower_ffn_loads_live_and_from_a_file(tmp_path: Path) -> None:
    theirs = randomise(timm_model("efficientvit_m0", num_classes=10))
    ffn = theirs.get_submodule("stages.1.blocks.1.ffn1.m")
    kept = torch.arange(0, 200)
    for layer in (ffn.pw1.conv, ffn.pw1.bn):
        layer.weight = nn.Parameter(layer.weight[kept])
    norm = ffn.pw1.bn
    norm.bias, norm.running_mean, norm.running_var = (
        nn.Parameter(norm.bias[kept]),
        norm.running_mean[kept],
        norm.running_var[kept],
    )
    ffn.pw2.conv.weight = nn.Parameter(ffn.pw2.conv.weight[:, kept])
    torch.save(theirs.state_dict(), tmp_path / "weights.pth")
    image = torch.randn(1, 3, 224, 224)
    for found in (load_checkpoint(tmp_path / "weights.pth"), load_module(theirs)):
        assert found.spec.architecture.hidden == (("stages.1.blocks.1.ffn1.m.pw1", 200),)
        with torch.no_grad():
            assert relative_error(found.module(image), theirs(image)) < 1e-5


def test_the_manifest_has_the_channels_by_their_paths() -> None:
    hidden = (("stages.0.blocks.0.main.inverted_conv", 40),)
    architecture = replace(MODELS["efficientvit_b0"].architecture, hidden=hidden)
    assert own_architecture(architecture)["hidden"] == {"stages.0.blocks.0.main.inverted_conv": 40}


def test_costs_are_those_of_the_narrower_blocks() -> None:
    _, model = pruned("efficientvit_b0")
    assert measured_cost(model, (3, *SIZE))["params"] < count_parameters(MODELS["efficientvit_b0"])


def test_channels_that_do_not_meet_are_named(tmp_path: Path) -> None:
    state = dict(build_model(MODELS["efficientvit_b0"]).state_dict())
    key = "stages.1.blocks.1.main.inverted_conv."
    state = {name: tensor[:100] if name.startswith(key) and tensor.ndim else tensor for name, tensor in state.items()}
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(
        CheckpointError, match=r"inside its blocks; 'stages\.1\.blocks\.1\.main\.depth_conv\.conv\.weight' is"
    ) as found:
        load_checkpoint(tmp_path / "weights.pth")
    assert "inverted_conv" not in found.value.got


def test_half_a_head_of_attention_is_refused(tmp_path: Path) -> None:
    state = dict(build_model(MODELS["efficientvit_b0"]).state_dict())
    path = "stages.3.blocks.2.context_module.main."
    for name in ("qkv.conv.weight", "aggreg.0.0.weight", "aggreg.0.1.weight"):
        state[path + name] = state[path + name][:-24]
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match="none of the published widths"):
        load_checkpoint(tmp_path / "weights.pth")
