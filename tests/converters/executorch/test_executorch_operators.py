"""Every operator of the table against PyTorch, in ExecuTorch itself: fp32 and fp16."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from executorch_helpers import content, kinds, run
from lowering_helpers import Apply, export, heads, partition_windows, relative_error, tokens
from torch import Tensor, nn

from converters.contract import Precision
from converters.errors import ToolchainError
from converters.executorch.lower import to_graph

IMAGE = (1, 12, 8, 8)
FP32_TOLERANCE = 1e-5  # relative to the largest output
FP16_TOLERANCE = 4e-3


MODELS: dict[str, nn.Module] = {
    "conv 1x1": nn.Conv2d(12, 16, 1),
    "conv without bias": nn.Conv2d(12, 16, 3, padding=1, bias=False),
    "conv stride 2": nn.Conv2d(12, 16, 3, 2, 1),
    "conv dilated": nn.Conv2d(12, 8, 3, padding=2, dilation=2),
    "conv uneven": nn.Conv2d(12, 8, (3, 1), (2, 1), (1, 0)),
    "conv grouped": nn.Conv2d(12, 24, 1, groups=3),
    "depthwise": nn.Conv2d(12, 12, 5, padding=2, groups=12),
    "depthwise stride 2": nn.Conv2d(12, 12, 3, 2, 1, groups=12),
    "depthwise multiplier": nn.Conv2d(12, 24, 3, padding=1, groups=12),
    "conv relu": nn.Sequential(nn.Conv2d(12, 8, 1), nn.ReLU()),
    "conv relu6": nn.Sequential(nn.Conv2d(12, 8, 1), nn.ReLU6()),
    "conv read twice": Apply(lambda x, f: f(x) + F.relu(f(x)) + F.relu6(f(x)), f=nn.Conv2d(12, 8, 1)),
    "linear": Apply(lambda x, f: f(x.mean((2, 3))), f=nn.Linear(12, 5)),
    "linear on tokens": Apply(lambda x, f: f(tokens(x).transpose(1, 2)), f=nn.Linear(12, 5)),
    "linear across tokens": Apply(lambda x, f: f(tokens(x)), f=nn.Linear(64, 5)),
    "add": Apply(lambda x, f: x + f(x), f=nn.Conv2d(12, 12, 1)),
    "add broadcast": Apply(lambda x, f: x + f(x.mean((2, 3), keepdim=True)), f=nn.Conv2d(12, 12, 1)),
    "add constant": Apply(lambda x, c: x + c, c=torch.randn(12, 1, 8)),
    "add of a higher rank": Apply(lambda x, c: x.mean((0, 2, 3)) + c, c=torch.randn(1, 12)),
    "add one number of a higher rank": Apply(lambda x, c: x.mean((0, 2, 3)) + c, c=torch.randn(1, 1)),
    "add number, relu6": Apply(lambda x: F.relu6(x + 3)),
    "sub": Apply(lambda x: x - x.mean(1, keepdim=True)),
    "reversed sub": Apply(lambda x: 2 - x),
    "mul": Apply(lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "div": Apply(lambda x: x / (x * x + 1)),
    "div by number": Apply(lambda x: x / 6),
    "relu": Apply(lambda x: torch.relu(x)),
    "clamp": Apply(lambda x: x.clamp(-0.5, 0.75)),
    "clamp below": Apply(lambda x: x.clamp_min(-0.5)),
    "hardswish": nn.Hardswish(),
    "gelu tanh": nn.GELU(approximate="tanh"),
    "gelu": nn.GELU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "exp, neg, abs": Apply(lambda x: torch.exp(-torch.abs(x))),
    "powers": Apply(lambda x: (x.pow(2) + 1).pow(-0.5) + (x.pow(2) + 1).sqrt() + (x.pow(2) + 1).rsqrt()),
    "maximum, minimum": Apply(lambda x: torch.maximum(x, x * 2) + torch.minimum(x, -x)),
    "softmax over tokens": Apply(lambda x: tokens(x).softmax(-1)),
    "softmax over channels": Apply(lambda x: x.softmax(1)),
    "mean": Apply(lambda x: x.mean((2, 3))),
    "mean keepdim": Apply(lambda x: x.mean((2, 3), keepdim=True)),
    "mean of channels": Apply(lambda x: x.mean(1)),
    "mean apart": Apply(lambda x: x.mean((1, 3))),
    "mean of all": Apply(lambda x: x.mean((0, 1, 2, 3), keepdim=True)),
    "sum of tokens": Apply(lambda x: tokens(x).sum(2, keepdim=True)),
    "sum behind a conv": Apply(lambda x, f: f(x).view(1, 3, 4, 64).sum(3, keepdim=True), f=nn.Conv2d(12, 12, 1)),
    "sum of a head": Apply(lambda x, f: f(x).view(1, 3, 4, 64).sum(2, keepdim=True), f=nn.Conv2d(12, 12, 1)),
    "layer norm": Apply(lambda x, f: f(x.mean((2, 3))), f=nn.LayerNorm(12)),
    "layer norm of tokens": Apply(lambda x, f: f(tokens(x).transpose(1, 2)), f=nn.LayerNorm(12)),
    "layer norm bare": Apply(lambda x, f: f(x.mean((2, 3))), f=nn.LayerNorm(12, elementwise_affine=False)),
    "cat channels": Apply(lambda x: torch.cat([x, x * 1.7], 1)),
    "cat batch": Apply(lambda x: torch.cat([x[:, :, :4], x[:, :, 4:]], 0).mean((2, 3)).view(1, 24)),
    "cat of seven": Apply(lambda x: torch.cat([x + i for i in range(7)], 1)),
    "cat of tokens": Apply(lambda x: torch.cat([tokens(x), tokens(x) * 2], 1).view(1, 24, 8, 8)),
    "slice": Apply(lambda x: x[:, 2:7, 1:-1]),
    "slice all": Apply(lambda x: x[:, :12] + 1),
    "chunk": Apply(lambda x: x.chunk(3, 1)[2] + x.chunk(3, 1)[0]),
    "split": Apply(lambda x: x.split([2, 6, 4], 1)[1]),
    "select": Apply(lambda x: heads(x)[:, 1]),
    "pad": Apply(lambda x: F.pad(x, (0, 3, 1, 0))),
    "pad nothing": Apply(lambda x: F.pad(x, (0, 0, 0, 0)) + 1),
    "view, permute": Apply(lambda x: heads(x).permute(0, 2, 3, 1).reshape(1, 4, -1)),
    "windows": Apply(partition_windows),
    "unsqueeze, squeeze": Apply(lambda x: (x.unsqueeze(1) * 2).squeeze(1)),
    "merge apart": Apply(lambda x: x.permute(0, 3, 1, 2).reshape(1, 96, 8)),
    "scores": Apply(lambda x: tokens(x).transpose(1, 2) @ tokens(x)),
    "covariance": Apply(lambda x: tokens(x) @ tokens(x).transpose(1, 2)),
    "head covariance": Apply(lambda x: heads(x) @ heads(x).transpose(2, 3)),
    "values": Apply(lambda x: tokens(x) @ (tokens(x).transpose(1, 2) @ tokens(x)).softmax(-1).transpose(1, 2)),
    "matmul with a matrix": Apply(lambda x, c: tokens(x).transpose(1, 2) @ c, c=torch.randn(12, 7)),
    "matrix times values": Apply(lambda x, c: c @ tokens(x), c=torch.randn(1, 7, 12)),
    "bmm": Apply(lambda x: torch.bmm(x[0], x[0].transpose(1, 2)).unsqueeze(0)),
    "folded index": Apply(lambda x, c: x + c[torch.arange(12) // 2].view(1, 12, 1, 1), c=torch.randn(6)),
    "dropout": nn.Sequential(nn.Conv2d(12, 4, 1), nn.Dropout(0.5), nn.Identity()),
}


@pytest.mark.parametrize("name", MODELS)
def test_fp32_agrees(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    file = content(export(MODELS[name], x))
    assert relative_error(run(file, x), MODELS[name](x)) < FP32_TOLERANCE


@pytest.mark.parametrize("name", MODELS)
def test_fp16_agrees(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(IMAGE)
    file = content(export(MODELS[name], x), Precision.FP16)
    assert relative_error(run(file, x), MODELS[name](x)) < FP16_TOLERANCE


def test_fp16_layer_norm_of_values_whose_squares_exceed_fp16() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 1280)
    x = x * (300 / x.abs().max())
    assert float(x.square().max()) > torch.finfo(torch.float16).max
    model = nn.LayerNorm(1280)
    assert relative_error(run(content(export(model, x), Precision.FP16), x), model(x)) < FP16_TOLERANCE


def test_fp16_halves_pointwise_weights() -> None:
    x = torch.randn(IMAGE)
    model = nn.Conv2d(12, 4096, 1)
    full, half = (len(content(export(model, x), precision)) for precision in (Precision.FP32, Precision.FP16))
    assert half < 0.55 * full


def test_fp16_refuses_weights_that_it_cannot_hold() -> None:
    model = nn.Conv2d(12, 4, 1)
    model.weight.data[0, 0] = 7e4
    with pytest.raises(ToolchainError, match="65504"):
        content(export(model, torch.randn(IMAGE)), Precision.FP16)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Apply(lambda x: torch.cumsum(x, 1)), "aten.cumsum.default"),
        (Apply(lambda x: x[:, ::2]), "step 2"),
        (Apply(lambda x: x.pow(3)), "exponent 3"),
        (Apply(lambda x: torch.add(x, x, alpha=2)), "alpha=2"),
        (Apply(lambda x: F.pad(x, (1, 1), value=1.0)), "pad with zeros"),
        (Apply(lambda x: x), "returns its input"),
        (Apply(lambda x: x.view(1, 2, 2, 3, 2, 4, 8) * 2), "at most 6 dimensions"),
    ],
)
def test_what_has_no_form_is_an_error_that_says_so(model: nn.Module, message: str) -> None:
    with pytest.raises(ToolchainError, match=message):
        content(export(model, torch.randn(IMAGE)))


def test_the_error_names_the_module() -> None:
    model = nn.Sequential(nn.Conv2d(12, 12, 1), nn.Sequential(Apply(lambda x: torch.cumsum(x, 1))))
    with pytest.raises(ToolchainError, match=r"in 1\.0"):
        content(export(model, torch.randn(IMAGE)))


def test_attention_behind_convolutions_moves_nothing() -> None:
    """q, k, v, scores and result stay token-major, which is how convolutions leave and want them."""

    def attend(x: Tensor, q: nn.Module, k: nn.Module, v: nn.Module, p: nn.Module) -> Tensor:
        scores = (tokens(q(x)).transpose(1, 2) @ tokens(k(x))).softmax(-1)
        return p((tokens(v(x)) @ scores.transpose(1, 2)).view(1, 12, 8, 8)).mean((2, 3))

    model = Apply(attend, **{name: nn.Conv2d(12, 12, 1) for name in "qkvp"})
    file = content(export(model, torch.randn(IMAGE)))
    assert kinds(file)["StaticTranspose"] == 1  # the NCHW input


def test_what_is_shared_is_computed_once() -> None:
    model = Apply(lambda x, f, g: f(x) + g(x), f=nn.Conv2d(12, 4, 1), g=nn.Conv2d(12, 4, 1))
    operations = [
        operation.kind for operation in to_graph(export(model, torch.randn(IMAGE)), Precision.FP32).operations
    ]
    assert operations == ["StaticTranspose", "Conv2d", "Conv2d", "Add", "StaticTranspose"]


def test_unread_results_are_dropped() -> None:
    model = Apply(lambda x: x.split([4, 8], 1)[0] + 1)
    assert kinds(content(export(model, torch.randn(IMAGE)))) == {"StaticSlice": 1, "Add": 1}


def test_short_row_sums_are_fully_connected() -> None:
    """The delegate's own reduction takes ten times as long there."""
    file = content(export(Apply(lambda x: tokens(x).sum(2)), torch.randn(IMAGE)))
    assert kinds(file)["FullyConnected"] == 1
    assert kinds(file)["GlobalAvgPooling2d"] == 0
