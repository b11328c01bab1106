"""A linear layer of one's own stands where the variant has such a layer; of other heads a file does not say what they compute."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.weights.layouts import own_layout
from evit_mobile.models.weights.own_head import by_path, linear_of, own_names, remark, with_own_head
from evit_mobile.models.weights.template import Part, template
from tests.evit_mobile.models.weights.held import State, folded, shapes_of
from tests.oracles import randomise

TIMM = own_layout("msra")
WIDTH = 6
"""Features in the tests of layers alone; M0 has 192."""


@pytest.fixture(scope="module")
def embedding() -> State:
    """M0 without its last layer."""
    return {key: tensor for key, tensor in shapes_of("efficientvit_m0").items() if not key.startswith("head.")}


def layers_of(head: nn.Module) -> dict[str, dict[str, Tensor]]:
    state = head.state_dict()
    return by_path(state, tuple(state))


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.Linear(WIDTH, 4)),
        nn.Sequential(nn.Linear(WIDTH, 4, bias=False)),
        nn.Sequential(nn.Dropout(), nn.Linear(WIDTH, 1)),
        nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, 4)),
        nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Dropout(), nn.Linear(WIDTH, 4, bias=False)),
    ],
)
def test_a_linear_layer_with_a_norm_before_it_or_without_is_one_linear_layer(head: nn.Module) -> None:
    torch.manual_seed(0)
    found = linear_of(layers_of(randomise(head)), WIDTH)
    assert found is not None
    x = torch.randn(5, WIDTH)
    with torch.no_grad():
        assert torch.allclose(x @ found[0].t() + found[1], head(x), atol=1e-5)


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(nn.Linear(WIDTH + 1, 4)),
        nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)),
        nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 4)),
        nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH)),
        nn.Sequential(nn.BatchNorm1d(WIDTH), nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, 4)),
        nn.Sequential(nn.BatchNorm1d(4), nn.Linear(WIDTH, 4)),
        nn.Sequential(nn.Conv2d(WIDTH, 4, 1)),
        nn.ModuleDict({"b": nn.BatchNorm1d(WIDTH), "a": nn.Linear(WIDTH, WIDTH)}),
    ],
)
def test_other_layers_are_none(head: nn.Module) -> None:
    assert linear_of(layers_of(head), WIDTH) is None


def test_tensors_are_kept_by_their_layers() -> None:
    state = {
        "0.weight": torch.ones(1),
        "0.num_batches_tracked": torch.ones(1),
        "1.weight": torch.zeros(1),
        "w": torch.ones(1),
    }
    assert by_path(state, ("0.weight", "0.num_batches_tracked", "w")) == {
        "0": {"weight": state["0.weight"]},
        "": {"w": state["w"]},
    }


@pytest.mark.parametrize("path", ["1", "classifier", "head"])
def test_the_layer_gets_the_variants_name(path: str, embedding: State) -> None:
    head = {f"{path}.weight": torch.ones(3, 192), f"{path}.bias": torch.ones(3)}
    found = with_own_head(TIMM, {**embedding, **head})
    assert found is not None
    renamed, note = found
    assert renamed == {**embedding, "head.weight": head[f"{path}.weight"], "head.bias": head[f"{path}.bias"]}
    assert note.startswith(f"took {path!r} for the layer that gives the logits")


def test_the_variants_own_layer_that_has_lost_something_is_no_other(embedding: State) -> None:
    """Alone in its place a weight may be a layer's without a bias, unless the file has folded the norms of all layers."""
    weight = torch.ones(3, 192)
    assert with_own_head(TIMM, {**embedding, "head.linear.weight": weight}) is None
    assert with_own_head(TIMM, {**embedding, "head.weight": weight}) is not None
    state = embedding
    for path, layer in template("efficientvit_m0").only(Part.EMBEDDING).folded.items():
        state = folded(state, path, layer)
    assert with_own_head(TIMM, {**state, "head.weight": weight}) is None
    assert with_own_head(TIMM, {**state, "1.weight": weight}) is not None


@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"1.weight": torch.ones(3, 192), "2.weight": torch.ones(3, 3)},
        {"1.weight": torch.ones(3, 100)},
        {"1.bias": torch.ones(3)},
    ],
)
def test_without_one_linear_layer_there_is_none(beside: State, embedding: State) -> None:
    assert with_own_head(TIMM, {**embedding, **beside}) is None


def test_a_network_that_is_no_variants_has_none(embedding: State) -> None:
    lacking = {key: tensor for key, tensor in embedding.items() if not key.startswith("patch_embed.")}
    assert with_own_head(TIMM, {**lacking, "1.weight": torch.ones(3, 192)}) is None


def test_names_are_those_of_a_layer_with_its_norm_folded_in() -> None:
    weight, bias = torch.ones(3, 192), torch.zeros(3)
    assert own_names(template("efficientvit_m0"), TIMM, weight, bias) == {"head.weight": weight, "head.bias": bias}
    b0 = own_names(template("efficientvit_b0"), own_layout("mit"), weight, bias)
    assert list(b0) == ["head.classifier.4.weight", "head.classifier.4.bias"]


def test_the_remark_says_what_is_assumed() -> None:
    assert remark(["head"]).startswith("took 'head' for the layer that gives the logits; a file does not say")
    assert remark(["1.0", "1.2"]).startswith("took '1.0' for a batch norm and '1.2' for the layer")
