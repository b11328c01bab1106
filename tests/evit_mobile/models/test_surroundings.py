"""What lies around the network in a module that was passed comes along, or is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.models import build_model
from evit_mobile.models.mit import EfficientViTMit
from evit_mobile.models.surroundings import Surrounded
from evit_mobile.models.surroundings.describe import around, gives_probabilities
from evit_mobile.models.weights import load_module
from evit_mobile.reference import load_reference
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import check_logits
from evit_mobile.spec import MODELS, Task
from tests.evit_mobile.models.wrappers import SIZE, Around, Normalise, Output, network, output_of
from tests.oracles import randomise, relative_error


def mlp(width: int = 192) -> nn.Module:
    return randomise(
        nn.Sequential(
            nn.BatchNorm1d(width), nn.Linear(width, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Dropout(), nn.Linear(16, 4)
        )
    )


def features(x: Around) -> Callable[[Tensor], Tensor]:
    return x.net.forward_features  # type: ignore[union-attr,return-value]  # timm's


CARRIED: dict[str, Callable[[], nn.Module]] = {
    "a linear head": lambda: Around(lambda m, x: m.head(m.net(x)), net=network(classes=0), head=nn.Linear(192, 4)),
    "a head with batch norms": lambda: Around(lambda m, x: m.head(m.net(x)), net=network(classes=0), head=mlp()),
    "a head of B": lambda: nn.Sequential(network("efficientvit_b0", classes=0), nn.Linear(1280, 4)),
    "a head on the last stage": lambda: Around(
        lambda m, x: m.head(F.adaptive_avg_pool2d(features(m)(x), 1).flatten(1)),
        net=network("efficientvit_b0"),
        head=nn.Linear(128, 4),
    ),
    "a map": lambda: Around(lambda m, x: m.head(features(m)(x)), net=network(), head=nn.Conv2d(192, 2, 1)),
    "a cosine head": lambda: Around(
        lambda m, x: 9 * F.linear(F.normalize(m.net(x)), F.normalize(m.head.weight)),
        net=network(classes=0),
        head=nn.Linear(192, 4),
    ),
    "mean and std": lambda: nn.Sequential(Normalise(), network()),
    "mean and std in place": lambda: Around(lambda m, x: m.net(x.contiguous().sub_(0.5).div_(0.25)), net=network()),
    "bytes": lambda: Around(lambda m, x: m.net(2 * (x / 255) - 1), net=network()),
    "a channel repeated": lambda: Around(lambda m, x: m.net(x[:, :1].repeat(1, 3, 1, 1)), net=network()),
    "grey": lambda: Around(lambda m, x: m.net(x.mean(1, keepdim=True).expand(-1, 3, -1, -1)), net=network()),
    "BGR": lambda: Around(lambda m, x: m.net(x[:, [2, 1, 0]]), net=network()),
    "BGR by flip": lambda: Around(lambda m, x: m.net(x.flip(1)), net=network()),
    "softmax": lambda: nn.Sequential(network(), nn.Softmax(1)),
    "log softmax": lambda: nn.Sequential(network(), nn.LogSoftmax(1)),
    "sigmoid": lambda: nn.Sequential(network(), nn.Sigmoid()),
    "temperature": lambda: Around(lambda m, x: (m.net(x) / 1.7).softmax(-1), net=network()),
    "other classes": lambda: Around(lambda m, x: m.net(x)[:, [3, 0, 1]], net=network()),
    "many classes in another order": lambda: Around(
        lambda m, x: m.net(x)[:, list(range(79, -1, -1))],
        net=network(classes=80),
    ),
    "activations": lambda: Around(
        lambda m, x: F.mish(F.elu(F.leaky_relu(F.silu(m.net(x))))) + F.softplus(m.net.head(torch.ones(1, 192).to(x))),
        net=network(),
    ),
    "a dictionary": lambda: Around(lambda m, x: {"logits": m.net(x)}, net=network()),
    "a dataclass": lambda: Around(lambda m, x: Output(logits=m.net(x)), net=network()),
    "a tuple": lambda: Around(lambda m, x: (m.net(x).softmax(1),), net=network()),
    "without gradients": lambda: Around(torch.inference_mode()(lambda m, x: m.net(x).softmax(1)), net=network()),
    "compiled inside": lambda: Around(lambda m, x: m.net(x).softmax(1), net=torch.compile(network(), backend="eager")),  # type: ignore[arg-type]  # a module
    "averaged weights": lambda: torch.optim.swa_utils.AveragedModel(network()),
}


ROUNDING = 2.0**-23
"""Of float32."""

FAST = ("a cosine head", "a map", "BGR", "mean and std", "softmax", "a dictionary", "averaged weights")
"""One of each sort: a head, another map, channels, values before, values behind, an envelope, a wrapper."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in FAST else pytest.mark.slow) for kind in CARRIED]
)
def test_what_can_be_written_comes_along(kind: str) -> None:
    """In double precision, but constants before the network are kept in float32: what their rounding may do is what images do that
    differ by one rounding, which for some images is 1e-3.
    """
    theirs = CARRIED[kind]().eval()
    loaded = load_module(theirs)
    images = torch.cat([torch.randn(2, 3, SIZE, SIZE), 0.3 * torch.rand(1, 3, SIZE, SIZE) - 1]).double()
    with torch.no_grad():
        ours = loaded.module.double()(images)
    expected = output_of(theirs.double(), images)
    rounding = max(
        relative_error(output_of(theirs, near), expected) for near in (images * (1 + ROUNDING), images + ROUNDING)
    )
    assert relative_error(ours, expected) < 1e-6 + 8 * rounding
    assert loaded.spec.num_classes == ours.shape[1]


def test_what_came_along_is_told() -> None:
    loaded = load_module(Around(lambda m, x: m.net(m.scale(x)).softmax(1), net=network(), scale=Normalise()))
    assert around(loaded.module) == {"before": ["mul", "add"], "behind": ["softmax"]}
    assert "the whole Around is converted: the EfficientViT, before it mul, add and behind it softmax" in loaded.notes
    assert any("scales its input by itself" in note for note in loaded.notes)
    assert gives_probabilities(loaded.module) == "softmax"


def test_constants_go_into_the_layers_beside_them() -> None:
    head = nn.Sequential(nn.BatchNorm1d(192), nn.Linear(192, 4), nn.BatchNorm1d(4))
    loaded = load_module(nn.Sequential(network(classes=0), randomise(head)))
    assert around(loaded.module) == {"before": [], "behind": ["linear"]}


def test_plain_modules_have_nothing_around_them() -> None:
    for module in (network(), Around(lambda m, x: {"logits": m.net(x)}, net=network())):
        assert not isinstance(load_module(module).module, Surrounded)


def without_forward(**modules: nn.Module) -> nn.Module:
    class Training(nn.Module):
        """As Lightning modules are that leave the calls to their steps."""

    module = Training()
    for name, child in modules.items():
        module.add_module(name, child)
    return module


def nested(**modules: nn.Module) -> nn.Module:
    return Around(lambda m, x: m.net(x)["logits"], net=Around(lambda m, x: {"logits": m.net(x), "other": x}, **modules))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "two heads": (
        lambda: Around(
            lambda m, x: {"colour": m.colour(m.net(x)), "kind": m.kind(m.net(x))},
            net=network(classes=0),
            colour=nn.Linear(192, 4),
            kind=nn.Linear(192, 3),
        ),
        r"2 outputs: colour \(1, 4\), kind \(1, 3\); outside the EfficientViT lie colour\.weight, .*kind\.bias",
    ),
    "mirrored average": (
        lambda: Around(lambda m, x: (m.net(x) + m.net(x.flip(3))) / 2, net=network()),
        "calls the EfficientViT 2 times",
    ),
    "average in a batch": (
        lambda: Around(lambda m, x: m.net(torch.cat([x, x.flip(3)])).mean(0, keepdim=True), net=network()),
        r"tensor of shape \(2, 3, 64, 64\)",
    ),
    "a decoder": (
        lambda: Around(
            lambda m, x: m.head(m.net.forward_intermediates(x)[1][0].mean((2, 3))),
            net=network(classes=0),
            head=nn.Linear(64, 4),
        ),
        "stages one by one, which are features from within",
    ),
    "the image beside it": (
        lambda: Around(
            lambda m, x: m.net(x) + m.colour(x.mean((2, 3))),
            net=network(),
            colour=nn.Linear(3, 5),
        ),
        "goes round the EfficientViT: add also reads the image; outside .* colour",
    ),
    "a decision": (
        lambda: Around(lambda m, x: m.net(x / 255 if x.max() > 1 else x), net=network()),
        "no fixed sequence",
    ),
    "the class": (lambda: Around(lambda m, x: m.net(x).argmax(1), net=network()), "calls argmax"),
    "no batch": (lambda: Around(lambda m, x: m.net(x).squeeze(), net=network()), r"returns \(5,\) for one image"),
    "another size": (
        lambda: Around(lambda m, x: m.net(F.interpolate(x, (96, 96))), net=network("efficientvit_b0")),
        r"shape \(1, 3, 96, 96\) in place of \(1, 3, 64, 64\)",
    ),
    "max pooling": (
        lambda: Around(lambda m, x: F.adaptive_max_pool2d(features(m)(x), 1).flatten(1), net=network()),
        "calls adaptive_max_pool2d",
    ),
    "noise": (lambda: Around(lambda m, x: m.net(x + torch.randn_like(x)), net=network()), "calls randn_like"),
    "autocast": (
        lambda: Around(torch.autocast("cpu", torch.bfloat16)(lambda m, x: m.net(x)), net=network()),
        "region of its own: wrap_with_autocast",
    ),
    "a state": (lambda: Counting(), "changes .*calls"),
    "a head that nothing calls": (
        lambda: without_forward(model=network(classes=0), head=nn.Linear(192, 4)),
        "without a forward of its own, with head.weight, head.bias beside 'model'",
    ),
    "no call": (
        lambda: Around(lambda m, x: m.other(x), net=network(), other=nn.Flatten()),
        "does not call the EfficientViT",
    ),
    "two networks": (lambda: nn.Sequential(network(), network()), "2 networks"),
}


class Counting(nn.Module):
    """Remembers how often it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.register_buffer("calls", torch.zeros(1))

    calls: Tensor

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        out: Tensor = self.net(x) * self.calls
        return out


TWINS = ("the class", "max pooling", "average in a batch")
"""Refused by what refuses others: an operation without a form, another shape."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in TWINS else kind for kind in REFUSED]
)
def test_what_cannot_be_written_is_refused_by_name(kind: str) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(CheckpointError, match=message):
        load_module(make())


def test_training_parameters_are_left_out_with_a_note() -> None:
    loaded = load_module(without_forward(model=network(), criterion=nn.Linear(2, 2)))
    assert "left out criterion.weight, criterion.bias: of the training, not of the network" in loaded.notes


@pytest.mark.parametrize(("name", "width"), [("efficientvit_m0", 192), ("efficientvit_b0", 1280)])
def test_a_network_without_classes_gives_features(name: str, width: int) -> None:
    theirs = network(name, classes=0)
    spec = load_module(theirs).spec
    assert (spec.task, spec.num_classes) == (Task.FEATURES, width)
    assert load_module(nn.Sequential(theirs, nn.Linear(width, 3))).spec.task is Task.CLASSIFICATION


def weight_norm(module: nn.Module) -> None:
    nn.utils.weight_norm(module)  # type: ignore[no-untyped-call]  # torch's older one


def halved(module: nn.Module) -> None:
    prune.l1_unstructured(module, "weight", 0.5)  # type: ignore[no-untyped-call]  # torch's own


class StagesInADictionary(nn.Module):
    """MIT's EfficientViTLargeBackbone, in which the stem is a stage: what it returns, and its names."""

    def __init__(self, network: EfficientViTMit) -> None:
        super().__init__()
        self.stages = nn.ModuleList([nn.Module() for _ in range(5)])
        parts = [network.stem, *(stage.blocks for stage in network.stages)]
        for stage, part in zip(self.stages, parts, strict=True):
            stage.op_list = nn.ModuleList(part.children())  # type: ignore[union-attr]  # a module

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        outputs = {"input": x}
        for index, stage in enumerate(self.stages):
            for layer in stage.op_list:  # type: ignore[union-attr]  # as above
                x = layer(x)
            outputs[f"stage{index}"] = x
        return {**outputs, "stage_final": x}


def test_the_live_backbone_of_l0_gives_its_last_stage() -> None:
    usual = MODELS["efficientvit_l0"]
    slim = replace(usual.architecture, widths=(16, 32, 64, 96, 192))  # type: ignore[call-arg]  # MIT's
    network = randomise(build_model(replace(usual, architecture=slim, num_classes=192, size=(SIZE, SIZE))))
    assert isinstance(network, EfficientViTMit)
    loaded = load_module(StagesInADictionary(network), size=(SIZE, SIZE))
    assert (loaded.spec.name, loaded.spec.task, loaded.origin) == ("efficientvit_l0", Task.FEATURES, "mit")
    x = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert relative_error(loaded.module(x), network(x)) < 1e-5


def test_probabilities_are_no_logits_for_names() -> None:
    reference = load_reference(nn.Sequential(network(), nn.Softmax(1)))
    check_logits(ConvertRequest(), reference)
    check_logits(ConvertRequest(class_output=True), load_reference(network()))
    with pytest.raises(UsageError, match="--class-output for a module that ends in softmax"):
        check_logits(ConvertRequest(class_output=True), reference)


@pytest.mark.parametrize("bake", [parametrizations.weight_norm, parametrizations.orthogonal, weight_norm, halved])
@pytest.mark.parametrize(
    "place",
    [
        "head.linear",
        pytest.param("stages.0.blocks.0.ffn0.m.pw1.conv", marks=pytest.mark.slow),
        pytest.param("patch_embed.conv1.conv", marks=pytest.mark.slow),
    ],
)
def test_computed_weights_are_baked(bake: Callable[[nn.Module], object], place: str) -> None:
    theirs = network()
    bake(theirs.get_submodule(place))
    theirs.eval()
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        before = theirs(images)
        assert relative_error(load_module(theirs).module(images), before) < 1e-5
        assert torch.equal(theirs(images), before)  # still with its parametrization


def test_another_size_is_traced_again() -> None:
    theirs = Around(lambda m, x: m.net(x - x.mean((1, 2, 3), keepdim=True)).softmax(1), net=network("efficientvit_b0"))
    loaded = load_module(theirs, size=(96, 128))
    images = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        assert relative_error(loaded.module(images), output_of(theirs, images)) < 1e-5


def test_what_the_network_states_holds_for_its_own_classes_and_images() -> None:
    net = network(classes=3)
    net.pretrained_cfg = {**net.pretrained_cfg, "label_names": ["ant", "bee", "cat"]}  # type: ignore[dict-item]  # timm's
    same = load_module(nn.Sequential(net, nn.Softmax(1))).stated
    assert same.labels == ("ant", "bee", "cat")
    assert any("mean" in place.fields for place in same.places)
    moved = load_module(Around(lambda m, x: m.net(m.scale(x))[:, [2, 0, 1]], net=net, scale=Normalise())).stated
    assert moved.labels == ()
    assert not any("mean" in place.fields for place in moved.places)
