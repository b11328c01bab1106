"""ReLU linear attention in the place of softmax: the formula, token by token, and the layers that it takes over."""

from __future__ import annotations

import torch
from torch import nn

from evit_mobile.models.msra import CascadedGroupAttention
from evit_mobile.models.relu_attention import EPS, ReluCascadedAttention, local_convolution


def test_relu_attention_is_the_papers_sum() -> None:
    """One head, written token by token."""
    torch.manual_seed(0)
    attention = ReluCascadedAttention(CascadedGroupAttention(8, 4, 1, 3, (3,))).eval().requires_grad_(False)
    attention.locals[0].weight.normal_()
    attention.proj = nn.Identity()
    x = torch.randn(1, 8, 3, 3)
    q, k, v = attention.qkvs[0](x).split([4, 4, 8], dim=1)
    local = attention.locals[0](v).flatten(2)[0]
    q, k, v = (t.flatten(2)[0] for t in (attention.dws[0](q).relu(), k.relu(), v))
    for i in range(9):
        similar = [float(q[:, i] @ k[:, j]) for j in range(9)]
        mean = sum(s * v[:, j] for j, s in enumerate(similar)) / (sum(similar) + EPS)
        assert torch.allclose(attention(x).flatten(2)[0, :, i], mean + local[:, i], atol=1e-5)


def test_a_head_sees_its_slice_and_the_output_of_the_head_before() -> None:
    torch.manual_seed(0)
    two = ReluCascadedAttention(CascadedGroupAttention(8, 4, 2, 3, (3, 3))).eval().requires_grad_(False)
    two.proj = nn.Identity()
    alone = ReluCascadedAttention(CascadedGroupAttention(4, 4, 1, 3, (3,))).eval().requires_grad_(False)
    alone.proj = nn.Identity()
    x, outputs = torch.randn(2, 8, 3, 3), []
    for head in range(2):
        alone.qkvs, alone.dws = nn.ModuleList([two.qkvs[head]]), nn.ModuleList([two.dws[head]])
        slice_of = x[:, 4 * head : 4 * head + 4]
        outputs.append(alone(slice_of if head == 0 else slice_of + outputs[-1]))
    assert torch.allclose(two(x), torch.cat(outputs, dim=1), atol=1e-6)


def test_the_layers_are_those_of_the_attention_that_it_replaces() -> None:
    attention = CascadedGroupAttention(8, 4, 2, 3, (5, 3))
    relu = ReluCascadedAttention(attention)
    before, after = attention.state_dict(keep_vars=True), relu.state_dict(keep_vars=True)
    assert before.keys() - after.keys() == {"attention_biases"}
    assert all(after[key] is before[key] for key in before.keys() & after.keys())
    assert {key.partition(".")[0] for key in after.keys() - before.keys()} == {"locals"}


def test_tokens_that_are_like_none_get_nothing() -> None:
    """Where no query is positive the divisor is EPS alone."""
    attention = ReluCascadedAttention(CascadedGroupAttention(4, 4, 1, 2, (3,))).eval()
    attention.proj = nn.Identity()
    nn.init.constant_(attention.dws[0].bn.weight, 0.0)
    nn.init.constant_(attention.dws[0].bn.bias, -1.0)
    with torch.no_grad():
        assert torch.equal(attention(torch.randn(1, 4, 2, 2)), torch.zeros(1, 4, 2, 2))


def test_the_convolution_of_the_values_starts_at_zero_and_sees_each_channel_alone() -> None:
    local, x = local_convolution(3), torch.randn(1, 3, 4, 6)
    with torch.no_grad():
        assert torch.equal(local(x), torch.zeros(1, 3, 4, 6))
        local.weight[:, 0, 2, 2] = 1.0
        assert torch.equal(local(x), x)
    assert local.weight.shape == (3, 1, 5, 5)
