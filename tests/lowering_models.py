"""One small model per operator and per way to use it, for every format that is lowered from the graph."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.lowering_helpers import Apply

IMAGE = (1, 12, 8, 8)


def tokens(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, C, N)."""
    return x.flatten(2)


def heads(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, 3, C/3, N)."""
    return x.view(1, 3, x.shape[1] // 3, -1)


def partition_windows(x: Tensor) -> Tensor:
    """Into windows of 4x4 pixels and back, in the order that EfficientViT-M does it."""
    windows = x.view(1, 12, 2, 4, 2, 4).permute(0, 2, 4, 1, 3, 5).reshape(4, 12, 4, 4)
    return (windows + 1).view(1, 2, 2, 12, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(1, 12, 8, 8)


torch.manual_seed(0)  # the models' weights are the same in every run

MODELS: dict[str, nn.Module] = {
    "conv 1x1": nn.Conv2d(12, 16, 1),
    "conv without bias": nn.Conv2d(12, 16, 3, padding=1, bias=False),
    "conv stride 2": nn.Conv2d(12, 16, 3, 2, 1),
    "conv dilated": nn.Conv2d(12, 8, 3, padding=2, dilation=2),
    "conv uneven": nn.Conv2d(12, 8, (3, 1), (2, 1), (1, 0)),
    "conv valid": nn.Conv2d(12, 8, 3),
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
    "mean over nothing": Apply(lambda x, f: f(x[:, :, :1, :1].mean((2, 3))), f=nn.Linear(12, 5)),
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
    "relu6": Apply(lambda x: F.relu6(x * 5)),
    "clamp": Apply(lambda x: x.clamp(-0.5, 0.75)),
    "clamp in place": Apply(lambda x: (x * 1).clamp_(-0.5, 0.75)),
    "clamp below": Apply(lambda x: x.clamp_min(-0.5)),
    "hardswish": nn.Hardswish(),
    "gelu tanh": nn.GELU(approximate="tanh"),
    "gelu": nn.GELU(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "exp, neg, abs": Apply(lambda x: torch.exp(-torch.abs(x))),
    "log": Apply(lambda x: torch.log(x * x + 0.1)),
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
"""What each takes is an IMAGE."""
