"""The blocks of Microsoft's models, against the paper's formulas written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.models.msra import (
    HIDDEN,
    CascadedGroupAttention,
    KeyWidth,
    LocalWindowAttention,
    PatchEmbedding,
    PatchMerging,
    Stage,
    attention_bias_index,
    build,
    window_resolutions,
)
from evit_mobile.spec import MODELS, find_spec
from tests.oracles import randomise


@pytest.mark.parametrize("side", [1, 2, 4, 7])
def test_biases_are_numbered_as_microsofts_loop_meets_their_offsets(side: int) -> None:
    points = [(row, column) for row in range(side) for column in range(side)]
    numbers: dict[tuple[int, int], int] = {}
    expected = [
        [numbers.setdefault((abs(a[0] - b[0]), abs(a[1] - b[1])), len(numbers)) for b in points] for a in points
    ]
    assert attention_bias_index(side).tolist() == expected


def test_the_index_has_values_where_the_model_has_none() -> None:
    with torch.device("meta"):
        assert attention_bias_index(2).device.type == "cpu"


def attention(heads: int = 2) -> CascadedGroupAttention:
    torch.manual_seed(0)
    module = CascadedGroupAttention(8, 3, heads, 3, (5, 3))
    randomise(module)
    return module.requires_grad_(False)


def test_attention_is_the_papers_cascade() -> None:
    """Two heads, token by token: each sees its slice and what the head before it gave."""
    module, x = attention(), torch.randn(1, 8, 3, 3)
    module.proj = nn.Identity()
    offsets = attention_bias_index(3)
    out, before = module(x), torch.zeros(1, 4, 3, 3)
    for head in range(2):
        q, k, v = module.qkvs[head](x[:, 4 * head : 4 * head + 4] + before).split([3, 3, 4], dim=1)
        q, k, v = (t.flatten(2)[0] for t in (module.dws[head](q), k, v))
        tokens = []
        for i in range(9):
            scores = [
                float(q[:, i] @ k[:, j]) / 3**0.5 + float(module.attention_biases[head][offsets[i, j]])
                for j in range(9)
            ]
            shares = torch.tensor(scores).softmax(0)
            tokens.append((v * shares).sum(1))
        before = torch.stack(tokens, 1).view(1, 4, 3, 3)
        assert torch.allclose(out[:, 4 * head : 4 * head + 4], before, atol=1e-5)


def windows(attn: nn.Module, x: Tensor, row: int, column: int) -> Tensor:
    """What attention gives for one window of 3 cells, with zeros beyond the grid."""
    window = torch.zeros(x.shape[0], x.shape[1], 3, 3)
    part = x[:, :, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
    window[:, :, : part.shape[2], : part.shape[3]] = part
    out: Tensor = attn(window)
    return out[:, :, : part.shape[2], : part.shape[3]]


@pytest.mark.parametrize("grid", [(3, 3), (6, 3), (5, 7), (4, 2)])
def test_windows_attend_each_by_itself(grid: tuple[int, int]) -> None:
    local = LocalWindowAttention(8, 3, 2, 3, (5, 3)).eval().requires_grad_(False)
    local.attn = attention()
    x = torch.randn(2, 8, *grid)
    out = local(x)
    assert out.shape == x.shape
    for row in range(-(-grid[0] // 3)):
        for column in range(-(-grid[1] // 3)):
            found = out[:, :, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            assert torch.allclose(found, windows(local.attn, x, row, column), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((224, 224), (7, 7, 4)),
        ((64, 64), (4, 2, 1)),
        ((32, 32), (2, 1, 1)),
        ((192, 256), (7, 6, 3)),
        ((256, 192), (7, 6, 3)),
        ((96, 96), (6, 3, 2)),
        ((512, 512), (7, 7, 7)),
    ],
)
def test_the_shorter_side_makes_the_windows(size: tuple[int, int], sides: tuple[int, ...]) -> None:
    architecture = MODELS["efficientvit_m0"].architecture
    assert window_resolutions(architecture, size) == sides


def test_patches_are_of_16_pixels_and_merging_halves_rounding_up() -> None:
    with torch.no_grad():
        assert PatchEmbedding(16).eval()(torch.zeros(1, 3, 64, 32)).shape == (1, 16, 4, 2)
        assert PatchMerging(4, 6).eval()(torch.zeros(1, 4, 7, 4)).shape == (1, 6, 4, 2)


def test_only_a_later_stage_begins_with_downsampling() -> None:
    first = Stage(8, 8, 3, 2, 1, 3, (5, 3), downsample=False)
    later = Stage(8, 12, 3, 2, 2, 2, (5, 3), downsample=True)
    assert isinstance(first.downsample, nn.Identity)
    assert [name for name, _ in later.downsample.named_children()] == ["res1", "patchmerge", "res2"]
    assert [len(first.blocks), len(later.blocks)] == [1, 2]
    with torch.no_grad():
        assert later.eval()(torch.zeros(1, 8, 3, 4)).shape == (1, 12, 2, 2)


def test_keys_of_another_width_scale_the_attention_by_it() -> None:
    (kind,) = (one for one in HIDDEN if isinstance(one, KeyWidth))
    module = attention()
    kind.resize(module, 5)
    assert module.key_dim == 5
    for qkv, query in zip(module.qkvs, module.dws, strict=True):
        assert qkv.conv.weight.shape == (2 * 5 + 4, 4, 1, 1)
        assert query.conv.groups == query.conv.out_channels == query.bn.num_features == 5
    with torch.no_grad():
        assert module(torch.randn(1, 8, 3, 3)).isfinite().all()
    with pytest.raises(ValueError, match=r"^0 channels$"):
        kind.resize(module, 0)


def test_a_spec_of_another_family_is_not_built() -> None:
    with torch.device("meta"):
        model = build(find_spec("efficientvit_m0", size=(64, 64), num_classes=3))
    assert model.head.linear.out_features == 3
    assert [stage.blocks[0].mixer.m.attn.resolution for stage in model.stages] == [4, 2, 1]
    with pytest.raises(AssertionError):
        build(find_spec("efficientvit_b0"))
