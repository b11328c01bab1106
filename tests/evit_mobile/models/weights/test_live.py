"""Live modules: mapped, compared by output, and left as they are."""

from __future__ import annotations

import copy
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import evit_mobile
from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.models import build_model
from evit_mobile.models.weights import live, load_module
from evit_mobile.models.weights.live import run, steady
from evit_mobile.reference import load_reference
from evit_mobile.spec import find_spec
from tests.evit_mobile.models.wrappers import SIZE, Normalise
from tests.oracles import randomise, relative_error, timm_model


def fresh(name: str = "efficientvit_b0", **options: Any) -> nn.Module:
    """timm's, made for small images."""
    native = {"img_size": SIZE} if name == "efficientvit_m0" else {}
    module = randomise(timm_model(name, **{"num_classes": 5, **native, **options}))
    if not native:
        module.pretrained_cfg = {**module.pretrained_cfg, "input_size": (3, SIZE, SIZE)}  # type: ignore[dict-item]  # timm's
    return module


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_timm_module_loads_with_the_same_outputs(name: str) -> None:
    theirs = fresh(name)
    loaded = load_module(theirs)
    assert (loaded.origin, loaded.source, loaded.spec.num_classes) == ("timm", "module", 5)
    image = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert relative_error(loaded.module(image), theirs(image)) < 1e-5


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda module, image: torch.jit.trace(module, image), "a TorchScript module"),
        (lambda module, image: torch.export.export(module, (image,)).module(), "an exported program"),
    ],
)
def test_what_has_lost_its_classes_is_named(made: Callable[[nn.Module, Tensor], nn.Module], words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as refusal:
        load_module(made(nn.Linear(4, 4).eval(), torch.zeros(1, 4)))
    assert "the module that it was made of" in refusal.value.do


def doubled(module: Any, image: Tensor) -> Tensor:
    logits: Tensor = module.forward_head(module.forward_features(image)) * 2
    return logits


def test_a_forward_that_was_put_on_the_network_is_converted() -> None:
    theirs = fresh()
    theirs.forward = types.MethodType(doubled, theirs)  # type: ignore[method-assign]  # as people do
    reference = load_module(theirs)
    image = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert relative_error(reference.module(image), theirs(image)) < 1e-5
    assert any("behind it" in note for note in reference.notes)


def test_a_forward_that_runs_another_module_is_refused() -> None:
    """A private copy's would run the original."""
    theirs = fresh()
    theirs.forward = lambda image: doubled(theirs, image)  # type: ignore[method-assign]  # likewise
    with pytest.raises(CheckpointError, match="outputs that differ"):
        load_module(theirs)


@pytest.mark.parametrize("model", [lambda image: image, {"head.weight": torch.zeros(1)}, 5])
def test_what_is_no_module_is_refused(model: Any) -> None:
    with pytest.raises(UsageError, match=r"a (function|dict|int) as model"):
        evit_mobile.convert(model)


def test_the_module_is_left_as_it_was() -> None:
    theirs = fresh().train().half()
    before = copy.deepcopy(theirs.state_dict())
    loaded = load_module(theirs)
    assert theirs.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in theirs.state_dict().items())
    assert next(loaded.module.parameters()).dtype is torch.float32
    with torch.no_grad():
        next(loaded.module.parameters()).zero_()
    assert next(theirs.parameters()).any()


class Wrapped(nn.Module):
    """As Lightning modules do: the network under a name, beside other things with state."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.model = network
        self.loss = nn.Linear(2, 2)


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, Wrapped])
def test_wrapped_modules_load(wrap: Any) -> None:
    assert load_module(wrap(fresh())).spec.name == "efficientvit_b0"


@pytest.mark.parametrize("name", ["efficientvit_m0", "efficientvit_b0"])
def test_our_own_module_loads(name: str) -> None:
    ours = randomise(build_model(find_spec(name, num_classes=3)))
    loaded = load_module(ours)
    assert loaded.origin == "evit-mobile"
    assert loaded.spec.num_classes == 3


def test_the_eps_of_the_module_is_honoured() -> None:
    theirs = fresh()
    for module in theirs.modules():
        if hasattr(module, "aggreg"):
            module.eps = 1e-15
        elif hasattr(module, "eps"):
            module.eps = 1e-3
    architecture = load_module(theirs).spec.architecture
    assert isinstance(architecture, MitArchitecture)
    assert (architecture.attention_eps, architecture.norm_eps, architecture.head_norm_eps) == (1e-15, 1e-3, 1e-3)


def test_size_resizes_after_the_comparison() -> None:
    loaded = load_module(fresh("efficientvit_m0"), size=(192, 256))
    assert loaded.spec.size == (192, 256)
    with torch.no_grad():
        assert loaded.module(torch.zeros(1, 3, 192, 256)).shape == (1, 5)


@pytest.mark.parametrize("native", [96, 320])
def test_m_is_compared_at_the_size_it_was_made_for(native: int) -> None:
    assert load_module(fresh("efficientvit_m0", img_size=native)).spec.size == (native, native)


@pytest.mark.parametrize(
    ("name", "head", "classes"),
    [
        ("efficientvit_m0", nn.Linear(192, 7), 7),
        ("efficientvit_m0", nn.Sequential(nn.Dropout(0.1), nn.Linear(192, 16), nn.ReLU(), nn.Linear(16, 3)), 3),
        ("efficientvit_m0", nn.Identity(), 192),
        ("efficientvit_m0", nn.Sequential(nn.BatchNorm1d(192), nn.Linear(192, 8), nn.Tanh(), nn.Linear(8, 3)), 3),
        ("efficientvit_b0", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 4)), 4),
    ],
)
def test_another_head_is_kept(name: str, head: nn.Module, classes: int) -> None:
    theirs = fresh(name)
    theirs.head = head
    loaded = load_module(theirs)
    assert loaded.spec.num_classes == classes
    image = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert relative_error(loaded.module(image), theirs.eval()(image)) < 1e-5
    assert all(ours is not theirs for ours in loaded.module.parameters() for theirs in head.parameters())


def test_what_a_subclass_adds_comes_along() -> None:
    theirs = fresh()

    class Scaled(type(theirs)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = super().forward(x) * 1.001
            return out

    theirs.__class__ = Scaled
    image = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert relative_error(load_module(theirs).module(image), theirs(image)) < 1e-5


def test_a_network_that_computes_something_else_inside_is_refused() -> None:
    theirs = fresh()
    theirs.get_submodule("stages.3").register_forward_hook(lambda _, __, output: output * 1.01)
    with pytest.raises(CheckpointError, match=r"differ from the reference's by \d\.\d+e-0[23]"):
        load_module(theirs)


class TwoOutputs(nn.Module):
    """A network whose forward gives no logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.__dict__["_modules"] = network._modules
        self.network = [network]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_images_that_magnify_roundings_are_not_compared() -> None:
    """The trained m0 does so with images that are normalised far from 0; another function is refused all the same."""
    network = load_reference("efficientvit_m0").module
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 0.5 - 1
    module = nn.Sequential(Normalise(), network).eval()
    assert not steady(module, image, run(module, image))
    assert steady(network, image, run(network, image))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "INPUTS", ((0.0, 1.0), (-1.0, 0.5)))
        assert load_module(module).spec.name == "efficientvit_m0"
        patch.setattr(live, "Surrounded", lambda _before, net, _behind: nn.Sequential(net))
        with pytest.raises(CheckpointError, match="outputs that differ"):
            load_module(module)
        patch.setattr(live, "INPUTS", ((-1.0, 0.5),))
        with pytest.raises(CheckpointError, match="outputs that differ"):
            load_module(module)


def test_what_is_no_classifier_is_refused() -> None:
    with pytest.raises(CheckpointError, match="returns tuple"):
        load_module(TwoOutputs(fresh()))
    with pytest.raises(CheckpointError, match="first convolution"):
        load_module(nn.Linear(2, 2))
    broken = fresh()
    broken.get_submodule("stem").register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(CheckpointError, match="forward fails"):
        load_module(broken)
    with pytest.raises(CheckpointError, match="--model efficientvit_m0, with weights of efficientvit_b0"):
        load_module(fresh(), model="efficientvit_m0")
