"""From matched tensors to the model that holds them: each checked, converted and copied; classes and sizes agree, or it is an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.models.weights.assemble import assemble, class_count, target_spec, trained_size
from evit_mobile.models.weights.layouts import LAYOUTS, own_layout
from evit_mobile.models.weights.match import Match, match_variant
from evit_mobile.models.weights.template import Part, template
from evit_mobile.spec import MODELS, find_spec
from tests.evit_mobile.models.states import fresh
from tests.evit_mobile.models.weights.held import CLASSES, State

TIMM = own_layout("msra")
FIRST = "patch_embed.conv1.conv.weight"
SPEC = find_spec("efficientvit_m0", size=(64, 64), num_classes=CLASSES)


@pytest.fixture(scope="module")
def small() -> State:
    """M0 for images of 64x64."""
    return fresh("efficientvit_m0", 64)


def matched(state: State, part: Part = Part.WHOLE) -> Match:
    found = match_variant(template("efficientvit_m0").only(part), TIMM, state)
    assert not found.faults
    return found


def made(state: State) -> nn.Module:
    return assemble(matched(state), TIMM, state, SPEC)


def refused(state: State) -> str:
    with pytest.raises(CheckpointError) as refusal:
        made(state)
    return refusal.value.got


def test_the_model_has_the_files_values_and_none_of_its_memory(small: State) -> None:
    state = {key: tensor.clone() for key, tensor in small.items()}
    model = made(state)
    for tensor in state.values():
        tensor.zero_()
    assert not model.training
    assert all(torch.equal(tensor, small[key]) for key, tensor in model.state_dict().items())


def test_other_types_and_linear_weights_become_fp32_convolutions(small: State) -> None:
    last = "stages.0.blocks.0.ffn0.m.pw1.conv.weight"
    state = {**small, FIRST: small[FIRST].double(), last: small[last][:, :, 0, 0].bfloat16()}
    loaded = made(state).state_dict()
    assert torch.equal(loaded[FIRST], small[FIRST])
    assert torch.equal(loaded[last], small[last].bfloat16().float())


def spoilt(tensor: Tensor, value: float) -> Tensor:
    other = tensor.clone()
    other.view(-1)[-1] = value
    return other


VARIANCE, COUNT = "patch_embed.conv1.bn.running_var", "patch_embed.conv1.bn.num_batches_tracked"


@pytest.mark.parametrize(
    ("key", "other", "words"),
    [
        (FIRST, lambda t: spoilt(t, float("nan")), "with NaN or infinite values"),
        (FIRST, lambda t: spoilt(t, -float("inf")), "with NaN or infinite values"),
        (FIRST, lambda t: t.double() + 1e39, "with NaN or infinite values"),
        (FIRST, Tensor.int, "of type torch.int32"),
        (FIRST, Tensor.to_sparse, "of type torch.sparse_coo"),
        (FIRST, lambda t: t.flatten()[0].clone().expand(t.shape), "of shape (8, 3, 3, 3) over"),
        (VARIANCE, lambda t: spoilt(t, -1e-6), "with negative variances"),
        (COUNT, lambda _: torch.tensor(1.0), "of type torch.float32"),
    ],
)
def test_a_tensor_that_cannot_be_used_is_named(key: str, other: object, words: str, small: State) -> None:
    assert callable(other)
    assert refused({**small, key: other(small[key])}).startswith(f"tensor {key!r} {words}")


def test_counts_that_a_file_lacks_are_0(small: State) -> None:
    state = {key: tensor for key, tensor in small.items() if not key.endswith("num_batches_tracked")}
    assert made({**state, COUNT: torch.tensor(7, dtype=torch.int32)}).state_dict()[COUNT] == 7
    assert made(state).state_dict()[COUNT] == 0


def test_a_norm_that_was_folded_changes_nothing(small: State) -> None:
    state = {key: tensor for key, tensor in small.items() if not key.startswith("patch_embed.conv1.")}
    weight, bias = torch.randn(8, 3, 3, 3), torch.randn(8)
    pair = made({**state, "patch_embed.conv1.weight": weight, "patch_embed.conv1.bias": bias}).get_submodule(
        "patch_embed.conv1"
    )
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        expected = nn.functional.conv2d(image, weight, stride=2, padding=1) + bias[:, None, None]
        assert torch.equal(pair(image), expected)


def test_a_part_is_assembled_as_such(small: State) -> None:
    state = {key: tensor for key, tensor in small.items() if not key.startswith("head.")}
    trunk = assemble(matched(state, Part.TRUNK), TIMM, state, SPEC)
    with torch.no_grad():
        assert trunk(torch.zeros(2, 3, 64, 64)).shape == (2, 192, 1, 1)


def test_classes_are_those_of_the_last_layer(small: State) -> None:
    match = matched(small)
    assert class_count(match, small, None) == class_count(match, small, CLASSES) == CLASSES
    with pytest.raises(CheckpointError, match="--num-classes 10, with weights of 3 classes") as refusal:
        class_count(match, small, 10)
    assert "weights with 10 classes" in refusal.value.do
    torn = {**small, "head.linear.bias": torch.zeros(4)}
    with pytest.raises(CheckpointError, match=r"3 classes in 'head\.linear\.weight' and 4 in 'head\.linear\.bias'"):
        class_count(match, torn, None)


@pytest.mark.parametrize(("part", "features"), [(Part.EMBEDDING, 192), (Part.TRUNK, 192)])
def test_features_are_counted_by_their_channels(part: Part, features: int, small: State) -> None:
    state = {key: tensor for key, tensor in small.items() if not key.startswith("head.")}
    match = matched(state, part)
    assert class_count(match, state, None) == class_count(match, state, features) == features
    with pytest.raises(CheckpointError, match=f"--num-classes 10 for efficientvit_m0, which gives {features} features"):
        class_count(match, state, 10)


def test_the_size_is_asked_of_the_family(small: State) -> None:
    """An M model's tensors tell it; another's do not."""
    assert trained_size(matched(small), small, None).size == (64, 64)


def test_the_size_asked_for_comes_before_the_one_of_the_training() -> None:
    spec = MODELS["efficientvit_l1"]
    mit = next(layout for layout in LAYOUTS if layout.first == ("backbone.stages.0.op_list.0.conv.weight",))
    made = target_spec(spec, mit, trained=(256, 256), asked=(64, 96), classes=7)
    assert (made.size, made.num_classes) == ((64, 96), 7)
    assert made.architecture.eps == {"attention_eps": 1e-15, "norm_eps": 1e-7, "head_norm_eps": 1e-7}
    assert target_spec(spec, mit, trained=(256, 256), asked=None, classes=7) == replace(made, size=(256, 256))


def test_a_size_that_cannot_be_is_the_users_error_or_the_files() -> None:
    with pytest.raises(UsageError, match="input size 100x100") as refusal:
        target_spec(SPEC, TIMM, trained=(64, 64), asked=(100, 100), classes=3)
    assert not isinstance(refusal.value, CheckpointError)
    with pytest.raises(CheckpointError, match="weights that were trained at 100x100"):
        target_spec(SPEC, TIMM, trained=(100, 100), asked=None, classes=3)
