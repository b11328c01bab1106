"""Our loading against what MIT's and Microsoft's own code was recorded to say (tests/upstream_record.py)."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.families.mit import MitArchitecture
from evit_mobile.models.weights import load_checkpoint
from evit_mobile.models.weights.load import recognise
from evit_mobile.spec import MODELS
from tests.upstream_record import FOLDER, drawn_state, parse_shapes, probe, spread

RECORDS = sorted(path.stem for path in FOLDER.glob("m*.json"))
FAST = {
    "msra.efficientvit_m0",
    "msra.efficientvit_m0.fused",
    "mit.efficientvit_b0",
    "mit.efficientvit_b1",
    "mit.efficientvit_seg_b0_cityscapes",
    "mit.efficientvit_seg_b1_ade20k",
}
TOLERANCE = 1e-4  # relative to the largest logit


def read(record: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{record}.json").read_text())
    return content


def microsoft_index(cells: int) -> Tensor:
    """Microsoft's loop over all pairs of tokens, which numbers the offsets as it meets them."""
    side = math.isqrt(cells)
    points = list(itertools.product(range(side), range(side)))
    numbers: dict[tuple[int, int], int] = {}
    index = [numbers.setdefault((abs(a[0] - b[0]), abs(a[1] - b[1])), len(numbers)) for a in points for b in points]
    return torch.tensor(index).view(cells, cells)


def upstream_state(record: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that the record's outputs were computed with."""
    state = drawn_state(parse_shapes(record["keys"]))
    return {key: microsoft_index(len(t)) if key.endswith("idxs") else t for key, t in state.items()}


def error_against(record: dict[str, Any], module: nn.Module) -> float:
    with torch.no_grad():
        logits = spread(module(probe(record["size"])))
    return ((logits - torch.tensor(record["logits"])).abs().max() / record["magnitude"]).item()


def test_every_variant_is_recorded() -> None:
    assert {record.split(".")[1] for record in RECORDS} == set(MODELS)


@pytest.mark.parametrize("name", RECORDS)
def test_keys_of_the_real_code_are_recognised_and_all_taken(name: str) -> None:
    state = {
        key: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
        for key, (dtype, shape) in parse_shapes(read(name)["keys"]).items()
    }
    found = recognise(state, model=None)
    origin, variant, *fused = name.split(".")
    assert found.match.template.spec.name == variant
    assert found.layout.origin == origin
    assert bool(found.match.folded) == bool(fused)
    unused = set(state) - set(found.match.sources.values())
    assert all(key.endswith("attention_bias_idxs") for key in unused)
    assert len(set(found.match.sources.values())) == len(found.match.sources)


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in RECORDS]
)
def test_outputs_equal_those_of_the_real_code(name: str, tmp_path: Path) -> None:
    record = read(name)
    wrapper = {"msra": "model", "mit": "state_dict"}[name.split(".")[0]]
    torch.save({wrapper: upstream_state(record)}, tmp_path / "weights.pt")
    loaded = load_checkpoint(tmp_path / "weights.pt")
    assert error_against(record, loaded.module) < TOLERANCE
    norms = [m for m in loaded.module.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm)]
    if norms and not name.endswith("fused"):
        assert sorted({norm.eps for norm in norms}) == record["norm_eps"]
    if isinstance(loaded.spec.architecture, MitArchitecture):
        assert [loaded.spec.architecture.attention_eps] == record["attention_eps"]


@pytest.mark.parametrize(
    ("record", "ours", "theirs"),
    [
        ("msra.efficientvit_m0", f"{stage}.mixer.m.attn.attention_biases", f"{block}.mixer.m.attn.attention_biases")
        for stage, block in (
            ("stages.0.blocks.0", "blocks1.0"),
            ("stages.1.blocks.1", "blocks2.4"),
            ("stages.2.blocks.2", "blocks3.5"),
        )
    ]
    + [
        (
            "mit.efficientvit_b0",
            "stages.2.blocks.0.main.depth_conv.conv.weight",
            "backbone.stages.2.op_list.0.main.depth_conv.conv.weight",
        ),
        ("mit.efficientvit_b0", "head.classifier.1.weight", "head.op_list.2.norm.weight"),
    ],
)
def test_the_recorded_outputs_notice_a_single_other_tensor(record: str, ours: str, theirs: str, tmp_path: Path) -> None:
    """The planted fault: one tensor of the right shape in the wrong order."""
    content = read(record)
    state = upstream_state(content)
    state[theirs] = state[theirs].flatten().flip(0).view_as(state[theirs])
    torch.save(state, tmp_path / "weights.pt")
    module = load_checkpoint(tmp_path / "weights.pt").module
    assert torch.equal(module.state_dict()[ours], state[theirs])
    assert error_against(content, module) > 10 * TOLERANCE


def test_one_by_one_convolutions_stored_as_linear_weights_load(tmp_path: Path) -> None:
    """Microsoft's released files hold some, and its build.py reshapes them."""
    record = read("msra.efficientvit_m0")
    state = {key: t[:, :, 0, 0] if t.shape[2:] == (1, 1) else t for key, t in upstream_state(record).items()}
    torch.save({"model": state}, tmp_path / "weights.pt")
    assert error_against(record, load_checkpoint(tmp_path / "weights.pt").module) < TOLERANCE


def test_another_numbering_of_the_bias_tables_is_refused(tmp_path: Path) -> None:
    state = upstream_state(read("msra.efficientvit_m0"))
    key = "blocks1.0.mixer.m.attn.attention_bias_idxs"
    state[key] = state[key].flip(0)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match=r"index other than Microsoft's"):
        load_checkpoint(tmp_path / "weights.pt")


def test_a_folded_norm_becomes_one_that_changes_nothing(tmp_path: Path) -> None:
    """Convolution and norm together give, to the last bit, what the biased convolution of the fused file gives."""
    state = upstream_state(read("msra.efficientvit_m0.fused"))
    torch.save(state, tmp_path / "weights.pt")
    pair = load_checkpoint(tmp_path / "weights.pt").module.get_submodule("patch_embed.conv1")
    weight, bias = state["patch_embed.0.weight"], state["patch_embed.0.bias"]
    image = probe(64)
    with torch.no_grad():
        expected = torch.nn.functional.conv2d(image, weight, stride=2, padding=1) + bias[:, None, None]
        assert torch.equal(pair(image), expected)


def test_identity_norm_is_exact_for_every_eps_in_use() -> None:
    for eps in (1e-3, 1e-5, 1e-6, 1e-7):
        assert torch.tensor(1.0 - eps) + eps == 1.0
