"""The reference of a manifest, found again: the same weights, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from evit_mobile.commands import reload
from evit_mobile.commands.document import model_entry
from evit_mobile.commands.reload import reload_reference
from evit_mobile.errors import UsageError
from evit_mobile.models.bundled import bundled_checkpoint
from evit_mobile.record.manifest import ModelEntry
from evit_mobile.reference import Reference, load_reference
from evit_mobile.spec import Task, Variation

SIZE = (64, 64)


def same(first: Reference, second: Reference) -> bool:
    theirs = second.module.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in first.module.state_dict().items())


def test_bundled_weights_are_found_again(m0: Reference) -> None:
    found = reload_reference(model_entry(m0), SIZE)
    assert (found.weights, found.sha256, found.spec) == ("bundled", m0.sha256, m0.spec)
    assert same(found, m0)


def test_a_file_is_found_where_it_was_or_where_it_is_said_to_be(m0: Reference, tmp_path: Path) -> None:
    path = bundled_checkpoint("efficientvit_m0")
    reference = load_reference("efficientvit_m0", weights=path, size=SIZE)
    assert same(reload_reference(model_entry(reference), SIZE), m0)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(path.read_bytes())
    gone = replace(model_entry(reference), source="/gone/m0.safetensors")
    assert same(reload_reference(gone, SIZE, str(moved)), m0)


def test_random_weights_are_those_of_their_seed() -> None:
    drawn = load_reference("efficientvit_m0", weights="random", size=SIZE, seed=3)
    entry = model_entry(drawn)
    assert same(reload_reference(entry, SIZE), drawn)
    assert not same(reload_reference(replace(entry, source="random:seed=4"), SIZE), drawn)


def test_other_weights_in_the_same_place_are_refused(m0: Reference) -> None:
    with pytest.raises(
        UsageError, match=r"weights at bundled:.* that are not those of the manifest; allowed: sha256 0000"
    ):
        reload_reference(replace(model_entry(m0), weights_sha256="0" * 64), SIZE)


def test_another_function_is_refused(m0: Reference) -> None:
    entry = replace(model_entry(m0), variation=Variation.RELU_ATTENTION)
    with pytest.raises(
        UsageError, match=r"weights of efficientvit_m0 for artefacts of efficientvit_m0\.relu-attention"
    ):
        reload_reference(entry, SIZE)


def test_what_the_outputs_were_taken_for_is_kept(m0: Reference) -> None:
    found = reload_reference(replace(model_entry(m0), task=Task.MULTILABEL), SIZE)
    assert found.spec.task is Task.MULTILABEL


@pytest.mark.parametrize(
    ("around", "weights", "said"),
    [
        (None, None, "whose weights are not on disk.*or its weights as a checkpoint.*or save its state dict"),
        ({"behind": ("softmax",)}, None, "of which a file holds a part; allowed: the same module; call"),
        ({"behind": ("softmax",)}, "w.pth", "of which a file holds a part; allowed: the same module; call"),
    ],
)
def test_a_live_module_has_to_be_passed_again(
    around: Any, weights: str | None, said: str, m0: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "load_reference", lambda *_, **__: pytest.fail("something was loaded"))
    entry: ModelEntry = replace(model_entry(m0), weights="module", around=around)
    with pytest.raises(UsageError, match=said):
        reload_reference(entry, SIZE, weights)
