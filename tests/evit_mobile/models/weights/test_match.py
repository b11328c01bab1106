"""Which variant a state dict is of and which of its keys goes where; names and shapes decide, no value is read."""

from __future__ import annotations

import pytest
import torch

from evit_mobile.errors import CheckpointError
from evit_mobile.families.msra import MsraArchitecture
from evit_mobile.models.weights.layouts import LAYOUTS, own_layout
from evit_mobile.models.weights.match import Match, match_any, match_most, match_part, match_variant, with_own_widths
from evit_mobile.models.weights.template import Part, template
from tests.evit_mobile.models.weights.held import State, folded, shapes_of

TIMM = own_layout("msra")
MICROSOFT = next(layout for layout in LAYOUTS if layout.origin == "msra")
FIRST = "patch_embed.conv1"
TABLE = "stages.0.blocks.0.mixer.m.attn.attention_biases"
PRUNED = MsraArchitecture(widths=(48, 96, 160), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(5, 5, 5, 5), key_dim=8)


@pytest.fixture(scope="module")
def m1() -> State:
    return shapes_of("efficientvit_m1")


def variant(state: State, name: str = "efficientvit_m1") -> Match:
    return match_variant(template(name), TIMM, state)


def test_every_key_of_a_variant_is_taken_once(m1: State) -> None:
    found = variant(m1)
    assert found.sources == {name: name for name in m1}
    assert (found.faults, found.folded) == (0, frozenset())


def test_what_does_not_fit_is_told_key_by_key(m1: State) -> None:
    state = {key: tensor for key, tensor in m1.items() if key != f"{FIRST}.bn.bias"}
    state |= {"extra": torch.zeros(1), f"{FIRST}.bn.weight": torch.zeros(9), "head.linear.weight": torch.zeros(7, 192)}
    found = variant(state)
    assert found.missing == (f"{FIRST}.bn.bias",)
    assert found.surplus == ("extra",)
    assert found.misshapen == ((f"{FIRST}.bn.weight", (9,), (16,)),)  # any number of classes fits
    assert found.faults == 3


def test_a_norm_that_is_folded_into_its_layer_is_seen(m1: State) -> None:
    found = variant(folded(folded(m1, FIRST, "conv"), "head", "linear"))
    assert found.faults == 0
    assert found.folded == {FIRST, "head"}
    assert found.sources[f"{FIRST}.conv.weight"] == f"{FIRST}.weight"
    assert found.sources[f"{FIRST}.bn.bias"] == f"{FIRST}.bias"  # the convolution itself has none
    assert found.sources["head.linear.bias"] == "head.bias"
    assert f"{FIRST}.bn.running_var" not in found.sources


def test_counts_of_batches_and_indices_of_tables_may_be_there_or_not(m1: State) -> None:
    without = {key: tensor for key, tensor in m1.items() if not key.endswith("num_batches_tracked")}
    index = TABLE.replace("attention_biases", "attention_bias_idxs")
    assert variant({**without, index: torch.zeros(1)}).faults == 0
    other = index.replace("blocks.0", "blocks.8")
    assert variant({**m1, other: torch.zeros(1)}).surplus == (other,)


def test_the_variant_is_the_one_that_fits(m1: State) -> None:
    assert match_any(TIMM, m1, None).template.spec.name == "efficientvit_m1"
    renamed = {MICROSOFT.rename(key): tensor for key, tensor in m1.items()}
    found = match_any(MICROSOFT, renamed, "efficientvit_m1")
    assert found.sources[f"{FIRST}.conv.weight"] == "patch_embed.0.c.weight"


@pytest.mark.parametrize("model", ["efficientvit_m2", "efficientvit_b0"])
def test_another_model_than_was_asked_for_is_refused(model: str, m1: State) -> None:
    with pytest.raises(CheckpointError, match=f"--model {model}, with weights of efficientvit_m1 in timm naming") as it:
        match_any(TIMM, m1, model)
    assert "pass --model efficientvit_m1" in it.value.do


def test_weights_that_fit_no_variant_are_held_against_the_one_asked_for(m1: State) -> None:
    state = {key: tensor for key, tensor in m1.items() if key != TABLE}
    with pytest.raises(CheckpointError, match=f"nearest to efficientvit_m1, with keys 1 missing .'{TABLE}'"):
        match_any(TIMM, state, None)
    with pytest.raises(CheckpointError, match="nearest to efficientvit_m3, with keys"):
        match_any(TIMM, state, "efficientvit_m3")


def without(state: State, path: str) -> State:
    return {key: tensor for key, tensor in state.items() if not key.startswith(path)}


def test_the_most_of_a_network_that_is_there_is_found(m1: State) -> None:
    assert match_most(TIMM, m1, None).template.part is Part.WHOLE
    embedding = match_most(TIMM, without(m1, "head."), None)
    assert (embedding.template.part, embedding.faults) == (Part.EMBEDDING, 0)
    with pytest.raises(CheckpointError):
        match_most(TIMM, without(m1, "stages.2."), None)


def test_a_part_is_that_and_nothing_else(m1: State) -> None:
    trunk = without(m1, "head.")
    found = match_part(TIMM, trunk, None, Part.TRUNK)
    assert found is not None
    assert found.template.spec.name == "efficientvit_m1"
    assert match_part(TIMM, m1, None, Part.TRUNK) is None
    assert match_part(TIMM, {**trunk, "neck.weight": torch.zeros(1)}, None, Part.TRUNK) is None
    assert match_part(TIMM, without(trunk, "stages.1."), None, Part.TRUNK) is None


def test_a_trunk_is_found_under_whatever_head(m1: State) -> None:
    state = {**without(m1, "head."), "head.0.weight": torch.zeros(4, 192)}
    found = match_any(TIMM, state, None, part=Part.TRUNK)
    assert found.template.part is Part.TRUNK
    assert not any(name.startswith("head") for name in found.sources)


def test_pruned_widths_make_a_variant_of_their_own(m1: State) -> None:
    state = shapes_of("efficientvit_m0", PRUNED)
    found = match_any(TIMM, state, None)
    assert found.template.spec.architecture == PRUNED
    assert found.faults == 0
    lacking = variant(without(state, FIRST), "efficientvit_m0")
    assert with_own_widths([lacking], TIMM, without(state, FIRST)) is None
    torn = {**m1, f"{FIRST}.bn.weight": torch.zeros(9)}
    assert with_own_widths([variant(torn)], TIMM, torn) is None
