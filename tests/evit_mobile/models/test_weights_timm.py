"""Loading and the reference models against timm's live modules."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.models import build_model
from evit_mobile.models.weights import LoadedModel, load_checkpoint
from evit_mobile.models.weights.bias_tables import resized_bias_table
from evit_mobile.spec import CLASSIFIERS
from tests.oracles import randomise, relative_error, timm_model

TOLERANCE = 1e-5  # relative; both sides are fp32 and add up in different orders
CLASSES = 5


@pytest.fixture(scope="module")
def m0() -> nn.Module:
    return randomise(timm_model("efficientvit_m0", num_classes=CLASSES))


@pytest.fixture(scope="module")
def b0() -> nn.Module:
    return randomise(timm_model("efficientvit_b0", num_classes=CLASSES))


def saved(content: Any, folder: Path, name: str = "weights.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def error_at(size: tuple[int, int], ours: nn.Module, theirs: nn.Module) -> float:
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return relative_error(ours(image), theirs(image))


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("efficientvit_m1", "efficientvit_b0") else pytest.param(name, marks=pytest.mark.slow)
        for name in CLASSIFIERS
    ],
)
def test_outputs_and_every_eps_equal_timm(name: str, tmp_path: Path) -> None:
    theirs = randomise(timm_model(name, num_classes=CLASSES))
    loaded = load_checkpoint(saved(theirs.state_dict(), tmp_path))
    assert (loaded.spec.name, loaded.spec.num_classes, loaded.origin) == (name, CLASSES, "timm")
    assert loaded.keys == len(theirs.state_dict())
    assert error_at(loaded.spec.size, loaded.module, theirs) < TOLERANCE
    assert eps_by_name(loaded.module) == eps_by_name(theirs)


def eps_by_name(model: nn.Module) -> dict[str, float]:
    """Every eps in a model: its norms', and its linear attentions'."""
    return {name: module.eps for name, module in model.named_modules() if hasattr(module, "eps")}  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", [name for name, spec in CLASSIFIERS.items() if isinstance(spec.architecture, MitArchitecture)]
)
def test_every_variant_has_the_eps_of_timm(name: str) -> None:
    """L's head keeps 1e-5 in timm's port, where all its other norms have 1e-7."""
    with torch.device("meta"):
        assert eps_by_name(build_model(CLASSIFIERS[name])) == eps_by_name(timm_model(name, device="meta"))


@pytest.mark.slow
def test_small_variances_need_the_right_eps(tmp_path: Path) -> None:
    """The planted fault behind the test above: with MIT's eps the head of timm's L1 computes something else."""
    theirs = randomise(timm_model("efficientvit_l1", num_classes=CLASSES)).eval()
    theirs.get_submodule("head.in_conv.norm").running_var.fill_(1e-5)  # type: ignore[operator, union-attr]
    loaded = load_checkpoint(saved(theirs.state_dict(), tmp_path), size=(32, 32))
    assert error_at((32, 32), loaded.module, theirs) < TOLERANCE
    architecture = loaded.spec.architecture
    assert isinstance(architecture, MitArchitecture)
    wrong = build_model(replace(loaded.spec, architecture=replace(architecture, head_norm_eps=1e-7)))
    wrong.load_state_dict(loaded.module.state_dict())
    assert error_at((32, 32), wrong, theirs) > 10 * TOLERANCE


# ---- sizes ----


@pytest.mark.parametrize("size", [(192, 256), (256, 192), (160, 160), (96, 128), (320, 224)])
def test_m_at_other_sizes_is_timm_after_set_input_size(size: tuple[int, int], m0: nn.Module, tmp_path: Path) -> None:
    path = saved(m0.state_dict(), tmp_path)
    loaded = load_checkpoint(path, size=size)
    theirs = timm_model("efficientvit_m0", num_classes=CLASSES)
    theirs.load_state_dict(m0.state_dict())
    theirs.set_input_size(size)  # type: ignore[operator]
    assert loaded.spec.size == size
    assert error_at(size, loaded.module, theirs.eval()) < TOLERANCE


@pytest.mark.parametrize("size", [(192, 256), (32, 64), (288, 288)])
def test_b_runs_at_any_multiple_of_32(size: tuple[int, int], b0: nn.Module, tmp_path: Path) -> None:
    loaded = load_checkpoint(saved(b0.state_dict(), tmp_path), size=size)
    assert error_at(size, loaded.module, b0) < TOLERANCE


@pytest.mark.parametrize(("trained", "size"), [(96, 96), (192, 192), (224, 224), (320, 288), (512, 416)])
def test_the_size_of_m_is_read_from_its_bias_tables(trained: int, size: int, tmp_path: Path) -> None:
    """Sizes whose windows are alike cannot be told apart: the default or else the smallest is taken, with a remark."""
    loaded = load_checkpoint(saved(timm_model("efficientvit_m0", img_size=trained).state_dict(), tmp_path))
    assert loaded.spec.size == (size, size)
    assert any("alike" in note for note in loaded.notes) == (trained in (224, 320, 512))


def test_training_arguments_tell_sizes_apart(tmp_path: Path) -> None:
    state = timm_model("efficientvit_m0", img_size=320).state_dict()
    arguments = argparse.Namespace(img_size=None, input_size=[3, 320, 320], lr=0.1, device="cuda:0")
    loaded = load_checkpoint(saved({"state_dict": state, "args": arguments}, tmp_path))
    assert loaded.spec.size == (320, 320)
    other = argparse.Namespace(img_size=224)  # not what the tables say; the tables are the weights
    assert load_checkpoint(saved({"state_dict": state, "args": other}, tmp_path)).spec.size == (288, 288)


def test_config_beside_a_hub_file_gives_the_size(b0: nn.Module, tmp_path: Path) -> None:
    safetensors.torch.save_file(b0.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"pretrained_cfg": {"input_size": [3, 288, 256]}}')
    assert load_checkpoint(tmp_path / "model.safetensors").spec.size == (288, 256)
    (tmp_path / "config.json").write_text("not json")
    assert load_checkpoint(tmp_path / "model.safetensors").spec.size == (224, 224)


@pytest.mark.parametrize("sides", [(7, 6), (7, 3), (4, 7), (7, 1)])
def test_bias_tables_are_resized_as_each_origin_does(sides: tuple[int, int]) -> None:
    from timm.layers import resize_rel_pos_bias_table_levit

    old, new = sides
    table = torch.randn(4, old**2, generator=torch.Generator().manual_seed(0))
    timms = resize_rel_pos_bias_table_levit(table.T, (new**2, 4)).T
    microsofts = nn.functional.interpolate(table.view(1, 4, old, old), size=(new, new), mode="bicubic").view(4, new**2)
    assert torch.equal(resized_bias_table(table, new**2, antialias=True), timms)
    assert torch.equal(resized_bias_table(table, new**2, antialias=False), microsofts)
    assert not torch.allclose(timms, microsofts, atol=1e-3)


def test_sizes_that_are_no_multiples_of_32_are_refused(m0: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="multiples of 32"):
        load_checkpoint(saved(m0.state_dict(), tmp_path), size=(200, 224))
    trained_at_80 = saved(timm_model("efficientvit_m0", img_size=80).state_dict(), tmp_path)
    with pytest.raises(CheckpointError, match="trained at 80x80"):
        load_checkpoint(trained_at_80)
    assert load_checkpoint(trained_at_80, size=(96, 96)).spec.size == (96, 96)


# ---- wrappers and prefixes ----


def same_weights(loaded: LoadedModel, state: dict[str, Tensor]) -> bool:
    ours = loaded.module.state_dict()
    return ours.keys() == state.keys() and all(torch.equal(ours[key], tensor) for key, tensor in state.items())


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "model.", "_orig_mod.module.", "module.model._orig_mod."]
)
@pytest.mark.parametrize("wrapper", ["", "state_dict", "model"])
def test_prefixes_and_wrappers_come_off(prefix: str, wrapper: str, b0: nn.Module, tmp_path: Path) -> None:
    state = {prefix + key: tensor for key, tensor in b0.state_dict().items()}
    loaded = load_checkpoint(saved({wrapper: state} if wrapper else state, tmp_path))
    assert same_weights(loaded, b0.state_dict())
    assert any(repr(prefix) in note for note in loaded.notes) == bool(prefix)
    assert any(repr(wrapper) in note for note in loaded.notes) == bool(wrapper)


def training_checkpoint(model: nn.Module) -> dict[str, Any]:
    """What timm's CheckpointSaver writes, optimizer state and arguments included."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {
        "epoch": 3,
        "arch": "efficientvit_b0",
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "version": 2,
        "args": argparse.Namespace(model="efficientvit_b0", img_size=None, input_size=None, betas=(0.9, 0.999)),
        "amp_scaler": {"scale": 65536.0, "_growth_tracker": 0},
        "metric": 71.4,
    }


def averaged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor * 0.5 if tensor.is_floating_point() else tensor for key, tensor in state.items()}


def test_the_moving_average_of_timm_and_of_mit_is_taken(tmp_path: Path) -> None:
    checkpoint = training_checkpoint(randomise(timm_model("efficientvit_b0", num_classes=CLASSES)))
    state = checkpoint["state_dict"]
    assert same_weights(load_checkpoint(saved(checkpoint, tmp_path)), state)
    average = averaged(state)
    for extra in ({"state_dict_ema": average}, {"ema": {0.9998: average}}):
        loaded = load_checkpoint(saved({**checkpoint, **extra}, tmp_path))
        assert same_weights(loaded, average)
        assert "moving average" in loaded.notes[0]
        assert "left 'state_dict'" in loaded.notes[0]
    assert same_weights(load_checkpoint(saved({**checkpoint, "ema": None}, tmp_path)), state)


def test_the_weights_of_microsofts_checkpoint_are_taken_and_not_the_average(m0: nn.Module, tmp_path: Path) -> None:
    """main.py --eval loads checkpoint["model"]."""
    state = m0.state_dict()
    checkpoint = {"model": state, "model_ema": averaged(state), "args": argparse.Namespace(input_size=224)}
    loaded = load_checkpoint(saved(checkpoint, tmp_path))
    assert same_weights(loaded, state)
    assert "left 'model_ema'" in loaded.notes[0]


def test_averaged_model_of_torch_loads(b0: nn.Module, tmp_path: Path) -> None:
    average = torch.optim.swa_utils.AveragedModel(b0)
    assert same_weights(load_checkpoint(saved(average.state_dict(), tmp_path)), b0.state_dict())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_fp32(dtype: torch.dtype, b0: nn.Module, tmp_path: Path) -> None:
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in b0.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "weights.safetensors")
    loaded = load_checkpoint(tmp_path / "weights.safetensors")
    assert {t.dtype for t in loaded.module.parameters()} == {torch.float32}
    assert same_weights(loaded, {k: t.float() if t.is_floating_point() else t for k, t in state.items()})


# ---- contradictions ----


def test_contradictions_show_both_sides(b0: nn.Module, tmp_path: Path) -> None:
    path = saved(b0.state_dict(), tmp_path)
    with pytest.raises(CheckpointError, match=r"--model efficientvit_b1, with weights of efficientvit_b0"):
        load_checkpoint(path, model="efficientvit_b1")
    with pytest.raises(CheckpointError, match=r"--model efficientvit_m0, with weights of efficientvit_b0"):
        load_checkpoint(path, model="efficientvit_m0")
    with pytest.raises(CheckpointError, match=rf"--num-classes 1000, with weights of {CLASSES} classes"):
        load_checkpoint(path, num_classes=1000)
    loaded = load_checkpoint(path, model="efficientvit_b0", num_classes=CLASSES)
    assert loaded.spec.num_classes == CLASSES
