"""Files as people have them: what holds one network loads and says how, what does not is named for what it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from converters.files import sha256
from evit_mobile.commands.reload import reload_reference
from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models import build_model
from evit_mobile.models.complexity import count_parameters
from evit_mobile.models.weights import LoadedModel, load_checkpoint, load_module
from evit_mobile.models.weights.layouts import LAYOUTS
from evit_mobile.record.manifest import ModelEntry
from evit_mobile.recovery.procedure import varied_spec
from evit_mobile.reference import at_size, load_reference, with_task
from evit_mobile.spec import MODELS, Task, Variation, is_published
from tests.evit_mobile.models.states import CLASSES, State, fresh
from tests.evit_mobile.models.wrappers import SIZE, Around, network
from tests.oracles import randomise, relative_error, timm_model


def loaded(content: Any, folder: Path) -> LoadedModel:
    torch.save(content, folder / "weights.pth")
    return load_checkpoint(folder / "weights.pth")


def refused(content: Any, folder: Path, got: str) -> CheckpointError:
    with pytest.raises(CheckpointError, match=got) as refusal:
        loaded(content, folder)
    return refusal.value


def other(state: State) -> State:
    return {key: tensor + 1 if tensor.is_floating_point() else tensor for key, tensor in state.items()}


# ---- where the weights are ----

Wrap = Callable[[State], Any]
ONE: list[tuple[Wrap, str]] = [
    (lambda state: {"params": state, "iter": 3}, "took 'params'"),
    (lambda state: {"network": state}, "took 'network'"),
    (lambda state: {"weights": state, "epoch": 1}, "took 'weights'"),
    (lambda state: {"model_state": state, "optimizer_state": {"param_groups": [{"lr": 0.1}]}}, "took 'model_state'"),
    (lambda state: {"student": state}, "took 'student'"),
    (lambda state: {"state_dict": {"model": state, "epoch": 1}}, "took 'state_dict.model'"),
    (lambda state: [state], "took '0'"),
    (lambda state: [{"model": state}], "took '0.model'"),
    (lambda state: {**state, "epoch": 3}, "left out 'epoch' beside the weights"),
    (lambda state: {"model": {**state, "version": 2}}, "left out 'version' beside the weights"),
]


@pytest.mark.parametrize(("wrap", "note"), ONE)
def test_the_only_network_of_a_file_is_taken_wherever_it_is(wrap: Wrap, note: str, b0: State, tmp_path: Path) -> None:
    model = loaded(wrap(b0), tmp_path)
    assert all(torch.equal(tensor, b0[key]) for key, tensor in model.module.state_dict().items())
    assert any(note in told for told in model.notes)


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ("params_ema", "params"),
        ("params", "network"),
        ("state_dict_ema", "student"),
        ("ema", "teacher"),
        ("model", "teacher"),
    ],
)
def test_of_several_the_one_that_evaluation_uses_is_taken(taken: str, left: str, b0: State, tmp_path: Path) -> None:
    model = loaded({left: other(b0), taken: b0}, tmp_path)
    assert torch.equal(model.module.state_dict()["stem.in_conv.conv.weight"], b0["stem.in_conv.conv.weight"])
    assert f"left {left!r}" in model.notes[0]


@pytest.mark.parametrize("names", [("student", "teacher"), ("a", "b")])
def test_of_several_without_a_rule_none_is(names: Sequence[str], b0: State, tmp_path: Path) -> None:
    error = refused(dict.fromkeys(names, b0), tmp_path, "a checkpoint with 2 networks")
    assert all(repr(name) in error.got for name in names)


def test_a_container_that_holds_itself_ends(b0: State, tmp_path: Path) -> None:
    content: dict[str, Any] = {"epoch": 1}
    content["self"] = [content] * 100
    refused(content, tmp_path, "a checkpoint with 'epoch', 'self'")
    content["model"] = b0
    assert loaded(content, tmp_path).spec.name == "efficientvit_b0"


# ---- keys beside the network's ----


@pytest.mark.parametrize(
    "key",
    [
        "criterion.weight",
        "train_loss.weight",
        "val_acc.total",
        "metrics.f1.tp",
        "stages.total_ops",
        "total_params",
        "pos_weight",
    ],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_keys_of_the_training_are_left_out_and_named(key: str, prefix: str, b0: State, tmp_path: Path) -> None:
    state = {prefix + name: tensor for name, tensor in b0.items()}
    model = loaded({"state_dict": {**state, key: torch.ones(CLASSES)}}, tmp_path)
    assert any(f"left out {key!r}" in note for note in model.notes)


@pytest.mark.parametrize("key", ["classifier.weight", "normalize.mean", "neck.0.weight", "aux_head.weight"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_what_may_be_part_of_the_model_is_not_left_out(key: str, prefix: str, b0: State, tmp_path: Path) -> None:
    state = {prefix + name: tensor for name, tensor in b0.items()}
    error = refused({**state, key: torch.ones(2)}, tmp_path, f"efficientvit_b0 and 1 more: {key!r}")
    assert "pass the live module" in error.do


# ---- what a misfit is ----


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.LayerNorm(192), nn.Linear(192, CLASSES)),
        nn.Sequential(nn.Linear(192, 192), nn.Linear(192, CLASSES)),
        nn.Sequential(nn.Linear(192, CLASSES), nn.BatchNorm1d(CLASSES)),
        nn.Sequential(nn.Linear(64, CLASSES)),
        nn.Sequential(nn.BatchNorm1d(192), nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, CLASSES)),
    ],
)
def test_a_head_of_ones_own_is_named(head: nn.Module, tmp_path: Path) -> None:
    model = build_model(MODELS["efficientvit_m0"])
    model.head = head
    error = refused(model.state_dict(), tmp_path, "with a head of its own: 'head.")
    assert "evit_mobile.convert(module)" in error.do


HEADS: dict[str, Callable[[int], nn.Module]] = {
    "a linear layer": lambda width: nn.Linear(width, CLASSES),
    "without a bias": lambda width: nn.Linear(width, CLASSES, bias=False),
    "one class": lambda width: nn.Linear(width, 1),
    "with dropout": lambda width: nn.Sequential(nn.Dropout(), nn.Linear(width, CLASSES)),
    "with a batch norm": lambda width: nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(), nn.Linear(width, CLASSES)),
}


@pytest.mark.parametrize(
    ("name", "place", "head"),
    [
        pytest.param(*case, marks=() if number % 6 == 0 or number == 26 else pytest.mark.slow)
        for number, case in enumerate(
            itertools.product(["efficientvit_m0", "efficientvit_b0"], ["1", "head", "net.head"], HEADS)
        )
    ],  # every sixth one has every head, and every place of both; the other one is special
)
def test_a_linear_head_is_the_same_in_a_file_and_live(name: str, place: str, head: str, tmp_path: Path) -> None:
    net = network(name, classes=0)
    layers = randomise(HEADS[head](192 if name.endswith("m0") else 1280))
    module = nn.Sequential(net, layers)
    if place == "head":
        module = Around(lambda m, x: m.head(m.net(x)), net=net, head=layers)
    elif place == "net.head":
        last = net.get_submodule("head") if name.endswith("m0") else net.get_submodule("head.classifier.4")
        assert isinstance(last, nn.Identity)
        net.set_submodule("head" if name.endswith("m0") else "head.classifier.4", layers)
        module = net
    torch.save(module.eval().state_dict(), tmp_path / "weights.pth")
    if (name, place, head) == (
        "efficientvit_b0",
        "net.head",
        "without a bias",
    ):  # where the variant's own layer stands, a bias is lost
        assert load_module(module)
        with pytest.raises(CheckpointError, match="bias"):
            load_checkpoint(tmp_path / "weights.pth", size=(SIZE, SIZE))
        return
    found, images = load_checkpoint(tmp_path / "weights.pth", size=(SIZE, SIZE)), torch.randn(2, 3, SIZE, SIZE)
    assert found.spec.task is Task.CLASSIFICATION
    with torch.no_grad():
        expected = module(images)
        assert relative_error(found.module(images), expected) < 1e-5
        assert relative_error(load_module(module).module(images), expected) < 1e-5
    if place != "net.head":
        assert any("for the layer that gives the logits; a file does not say" in note for note in found.notes)


def test_two_heads_are_no_linear_layer(tmp_path: Path) -> None:
    module = nn.ModuleList([network("efficientvit_b0", classes=0), nn.Linear(1280, 3), nn.Linear(1280, 2)])
    error = refused(module.state_dict(), tmp_path, r"efficientvit_b0 with a head of its own: '1\.weight'")
    assert "live module" in error.do


def renamed(name: str, prefix: str = "") -> State:
    """The weights of an L variant under MIT's names."""
    layout = next(layout for layout in LAYOUTS if layout.first == ("backbone.stages.0.op_list.0.conv.weight",))
    return {prefix + layout.rename(key): tensor for key, tensor in fresh(name).items()}


def test_efficientvit_sam_is_named(tmp_path: Path) -> None:
    encoder = {key: tensor for key, tensor in renamed("efficientvit_l1").items() if key.startswith("backbone.")}
    encoder |= {"neck.input_ops.0.op_list.0.conv.weight": torch.ones(2), "norm.weight": torch.ones(2)}
    refused(encoder, tmp_path, "this is EfficientViT-SAM's encoder")
    whole = {f"image_encoder.{key}": tensor for key, tensor in encoder.items()}
    refused({**whole, "mask_decoder.iou_token.weight": torch.ones(2)}, tmp_path, "this is EfficientViT-SAM: ")


def test_features_only_is_named(tmp_path: Path) -> None:
    refused(timm_model("efficientvit_b0", features_only=True).state_dict(), tmp_path, "features_only form")


@pytest.mark.parametrize("channels", [2, 5, 12])
@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_other_channels_are_counted(name: str, channels: int, tmp_path: Path) -> None:
    state = timm_model(name, in_chans=channels, num_classes=CLASSES).state_dict()
    refused(state, tmp_path, f"takes {channels} channels")


def test_widths_that_no_architecture_explains_are_named(m0: State, tmp_path: Path) -> None:
    state = {
        key: tensor[:96] if key.startswith("stages.1.blocks.0.dw0.m.") and tensor.ndim else tensor
        for key, tensor in m0.items()
    }
    refused(state, tmp_path, r"none of the published widths: stage 2 has 96 channels \(efficientvit_m0 128\)")


def test_depths_that_no_variant_has_are_named(m0: State, b0: State, tmp_path: Path) -> None:
    shallow = {key: tensor for key, tensor in m0.items() if not key.startswith("stages.2.blocks.2.")}
    refused(shallow, tmp_path, "none of the published depths: nearest to efficientvit_m0, with no 'stages.2.blocks.2'")
    last = "stages.2.blocks.2."
    deep = {key.replace(last, "stages.2.blocks.3."): tensor for key, tensor in b0.items() if key.startswith(last)}
    refused(
        {**b0, **deep}, tmp_path, "none of the published depths: nearest to efficientvit_b0, with 'stages.2.blocks.3'"
    )


# ---- pruned widths ----

M = MsraArchitecture(widths=(48, 96, 160), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(5, 5, 5, 5), key_dim=8)
B = MitArchitecture(widths=(8, 16, 24, 48, 96), depths=(1, 2, 2, 2, 2), head_dim=16, head=(512, 640))
L = replace(MODELS["efficientvit_l0"].architecture, widths=(16, 32, 64, 96, 192))
SEGMENTER = MODELS["efficientvit_seg_b0_cityscapes"].architecture
assert isinstance(SEGMENTER, MitArchitecture)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        ("efficientvit_m0", M),
        ("efficientvit_b0", B),
        ("efficientvit_l0", L),
        ("efficientvit_seg_b0_cityscapes", replace(SEGMENTER, widths=B.widths)),
    ],
)
def test_pruned_widths_are_read_off_the_tensors(name: str, architecture: Any, tmp_path: Path) -> None:
    channels = {"num_classes": architecture.widths[-1]} if name == "efficientvit_l0" else {}
    spec = replace(MODELS[name], architecture=architecture, **channels)
    torch.manual_seed(0)
    model = randomise(build_model(spec))
    found = loaded(model.state_dict(), tmp_path)
    assert found.spec.name == name
    assert found.spec.architecture == architecture
    assert not is_published(found.spec)
    assert count_parameters(found.spec) == sum(parameter.numel() for parameter in model.parameters())
    widths = ", ".join(map(str, architecture.widths))
    (note,) = (
        note for note in found.notes if note.startswith(f"pruned widths, read off the tensors: {widths} in place of")
    )
    assert ("a head of 512 and 640 channels in place of a head of 1024 and 1280 channels" in note) == (
        architecture is B
    )
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.equal(found.module(image), model(image))
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    assert load_checkpoint(tmp_path / "weights.pth", model=name).spec.architecture == architecture


def test_timms_own_class_of_other_widths_loads(tmp_path: Path) -> None:
    timm_model("efficientvit_m0")  # makes timm importable
    from timm.models.efficientvit_msra import EfficientVitMsra

    options = {"key_dim": (16, 16, 16), "depth": (1, 2, 3), "num_heads": (4, 4, 4), "window_size": (7, 7, 7)}
    theirs = randomise(
        EfficientVitMsra(num_classes=10, embed_dim=(48, 96, 160), kernels=(5, 5, 5, 5), **options).eval()
    )
    found = loaded(theirs.state_dict(), tmp_path)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert relative_error(found.module(image), theirs(image)) < 1e-5


def test_published_widths_are_not_called_pruned(m0: State, tmp_path: Path) -> None:
    found = loaded(m0, tmp_path)
    assert is_published(found.spec)
    assert not any("pruned" in note for note in found.notes)


def test_a_change_of_function_starts_from_published_widths(tmp_path: Path) -> None:
    torch.save(build_model(replace(MODELS["efficientvit_m0"], architecture=M)).state_dict(), tmp_path / "weights.pth")
    reference = load_reference(None, weights=tmp_path / "weights.pth")
    with pytest.raises(UsageError, match="pruned widths"):
        varied_spec(reference, Variation.RELU_ATTENTION)


# ---- without a head ----


def trunk(model: nn.Module, image: Tensor) -> Tensor:
    features: Tensor = model.forward_features(image)  # type: ignore[operator]  # timm's
    return features


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("efficientvit_m0", {"num_classes": 0}, (1, 192)),
        ("efficientvit_b0", {"num_classes": 0}, (1, 1280)),
    ],
)
def test_a_file_without_the_last_layer_gives_the_features_before_it(
    name: str, options: Any, shape: tuple[int, ...], tmp_path: Path
) -> None:
    theirs = randomise(timm_model(name, **options))
    found = loaded(theirs.state_dict(), tmp_path)
    assert (found.spec.name, found.spec.task, found.spec.num_classes) == (name, Task.FEATURES, shape[1])
    assert any("no layer for logits" in note for note in found.notes)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        ours = found.module(image)
        assert ours.shape == shape
        assert relative_error(ours, theirs(image)) < 1e-5
    with pytest.raises(CheckpointError, match="which gives"):
        load_checkpoint(tmp_path / "weights.pth", num_classes=10)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_file_without_a_head_gives_the_last_stages_features(prefix: str, tmp_path: Path) -> None:
    theirs = randomise(timm_model("efficientvit_b0", num_classes=CLASSES))
    state = {prefix + key: tensor for key, tensor in theirs.state_dict().items() if not key.startswith("head.")}
    found = loaded(state, tmp_path)
    assert (found.spec.task, found.spec.num_classes) == (Task.FEATURES, 128)
    assert any("no head in the file" in note for note in found.notes)
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert relative_error(found.module(image), trunk(theirs, image)) < 1e-5


def test_a_part_may_be_resized(tmp_path: Path) -> None:
    torch.save(timm_model("efficientvit_m0", num_classes=0).state_dict(), tmp_path / "weights.pth")
    reference = load_reference(None, weights=tmp_path / "weights.pth")
    resized, again = at_size(reference, (64, 64)), load_reference(None, weights=tmp_path / "weights.pth", size=(64, 64))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(resized.module(image), again.module(image))


# ---- grey ----


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_a_grey_model_takes_the_grey_of_colours(name: str, tmp_path: Path) -> None:
    theirs = randomise(timm_model(name, in_chans=1, num_classes=CLASSES))
    found = loaded(theirs.state_dict(), tmp_path)
    assert found.spec.grey
    assert any("takes 1 channel" in note for note in found.notes)
    colours = torch.rand(1, 3, 224, 224)
    shares = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    grey = (colours * shares).sum(1, keepdim=True)
    with torch.no_grad():
        assert relative_error(found.module(colours), theirs(grey)) < 1e-5
        assert relative_error(found.module(grey.expand(-1, 3, -1, -1)), theirs(grey)) < 1e-5


@pytest.mark.parametrize(
    ("stated", "mean", "std"),
    [
        ({}, 0.449, 0.226),
        ({"hyper_parameters": {"mean": 0.3, "std": 0.4}}, 0.3, 0.4),
        ({"args": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5]}}, 0.2, 0.5),
    ],
)
def test_a_grey_model_normalises_its_planes_alike(
    stated: Any, mean: float, std: float, b0: State, tmp_path: Path
) -> None:
    first = "stem.in_conv.conv.weight"
    torch.save({"state_dict": {**b0, first: b0[first][:, :1]}, **stated}, tmp_path / "weights.pth")
    preprocess = load_reference(None, weights=tmp_path / "weights.pth").preprocessing.preprocess
    assert preprocess.mean == pytest.approx((mean,) * 3)
    assert preprocess.std == pytest.approx((std,) * 3)


# ---- several labels ----


def test_a_classifier_may_have_several_labels(b0: State, tmp_path: Path) -> None:
    reference = load_reference("efficientvit_m0")
    assert with_task(reference, None) is reference
    assert with_task(reference, Task.CLASSIFICATION) is reference
    several = with_task(reference, Task.MULTILABEL)
    assert several.spec.task is Task.MULTILABEL
    for task in (Task.FEATURES, Task.SEGMENTATION):
        with pytest.raises(UsageError, match=f"--task {task} for efficientvit_m0, whose task is classification"):
            with_task(reference, task)
    features = load_reference("efficientvit_l0", weights="random", size=(32, 32))
    with pytest.raises(UsageError, match="--task multilabel for efficientvit_l0, whose task is features"):
        with_task(features, Task.MULTILABEL)
    torch.save(b0, tmp_path / "weights.pth")
    again = ModelEntry(
        name="efficientvit_b0",
        family="mit",
        task=Task.MULTILABEL,
        params=0,
        macs=0,
        num_classes=CLASSES,
        weights="file",
        weights_sha256=sha256(tmp_path / "weights.pth"),
        source=str(tmp_path / "weights.pth"),
        origin="timm",
        keys=0,
    )
    assert reload_reference(again, (224, 224)).spec.task is Task.MULTILABEL
