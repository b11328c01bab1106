"""Every ATen operator that the models use, lowered to a file, read back and compared with PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from converters.contract import Precision
from converters.coreml import package
from converters.coreml.names import module_path
from converters.errors import ToolchainError
from tests.converters.coreml.coreml_programs import (
    Attention,
    FeedForward,
    Head,
    Lambda,
    LinearAttention,
    SqueezeExcite,
    Windows,
    evaluate,
    export,
    seeded,
    sqnr_db,
    write,
)

MINIMUM_DB = {Precision.FP32: 110.0, Precision.FP16: 50.0}
SHAPE = (1, 6, 5, 5)


def image(shape: tuple[int, ...] = SHAPE) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def vector(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


# Several operators share a program: each writes a channel slice of its own, so that a wrong one cannot hide.
GROUPS: dict[str, Callable[[], nn.Module]] = {
    "convolutions": lambda: nn.Sequential(
        nn.Conv2d(6, 8, 3, stride=2, padding=1),
        nn.Conv2d(8, 8, 5, padding=2, groups=8, bias=False),
        nn.Conv2d(8, 12, 1, groups=2),
        nn.Conv2d(12, 4, (1, 3), padding=(0, 1), dilation=(1, 2)),
    ),
    "activations": lambda: Lambda(
        lambda x: torch.cat(
            [
                F.relu(x),
                F.relu6(3 * x),
                F.hardtanh(x),
                F.hardswish(3 * x),
                F.hardsigmoid(3 * x),
                F.gelu(x),
                F.gelu(x, approximate="tanh"),
                F.silu(x),
                x.sigmoid(),
                x.tanh(),
                x.clamp(-0.3, 0.7),
                x.clamp(min=0.2),
                x.clamp(max=0.2),
                x.clamp(min=0.0),
                x * F.relu6(x + 3) / 6,
            ],
            dim=1,
        )
    ),
    "arithmetic": lambda: Lambda(
        lambda x, y: torch.cat(
            [
                x + y,
                x - y,
                x * y,
                x / (y * y + 0.5),
                torch.add(x, y, alpha=2),
                torch.sub(x, y, alpha=0.5),
                x + 1,
                x * 2.5,
                x / 4,
                torch.maximum(x, y),
                torch.minimum(x, y),
                x**2,
                (x * x + 0.1) ** 1.5,
                (x * x + 0.1).rsqrt(),
                (x * x).sqrt(),
                x.exp(),
                (x * x + 0.1).log(),
            ],
            dim=1,
        ),
        vector(1, 6, 1, 1),
    ),
    "reductions": lambda: Lambda(
        lambda x: torch.cat(
            [
                x.mean((2, 3)),
                x.sum((2, 3)),
                x.mean(2).flatten(1),
                x.sum(-1, keepdim=True).squeeze(-1).flatten(1),
                x.softmax(1).mean((2, 3)),
                x.softmax(-1)[:, :, 0, :].flatten(1),
            ],
            dim=1,
        )
    ),
    "movement": lambda: Lambda(
        lambda x: torch.cat(
            [
                x.permute(0, 3, 2, 1).reshape(1, 6, 5, 5),
                x.transpose(-1, -2),
                F.pad(x, (1, 0, 0, 2))[:, :, 2:, :5],
                x[:, 1:4],
                torch.cat(x.chunk(4, dim=1)[::-1], 1),
                torch.cat(x.split([1, 2, 3], dim=1)[1:], 1),
                x.select(1, -1).unsqueeze(1),
                x[:, :, -3:, :].reshape(1, 18, 5)[:, :5].reshape(1, 1, 5, 5),
                x.unflatten(1, (2, 3)).flatten(1, 2).clone().contiguous(),
                F.pad(x[:, :, :, 1::2], (0, 3), value=0.5),
            ],
            dim=1,
        )
    ),
    "matrices": lambda: Lambda(
        lambda x, y: torch.cat([x @ x.transpose(2, 3), torch.bmm(x[0], x[0]).unsqueeze(0), x @ y, y @ x], 1),
        vector(5, 5),
    ),
    "head": lambda: Head(6),
    "feed-forward": lambda: FeedForward(6),
    "squeeze-excite": lambda: SqueezeExcite(6),
    "softmax attention": lambda: Attention(6, 4, 25),
    "linear attention": lambda: LinearAttention(2, 3),
    "windows": lambda: Windows(6),
}


@pytest.mark.parametrize("precision", MINIMUM_DB)
@pytest.mark.parametrize("name", GROUPS)
@torch.no_grad()
def test_written_program_computes_what_pytorch_does(name: str, precision: Precision, tmp_path: Path) -> None:
    module, x = seeded(GROUPS[name]), image()
    expected = module.eval()(x).numpy()
    actual = evaluate(export(module, x), x, tmp_path / "p.mlpackage", precision)
    assert actual.shape == expected.shape
    assert sqnr_db(expected, actual) > MINIMUM_DB[precision]


def test_unknown_operator_names_itself_and_its_module(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(6, 6, 1), nn.Sequential(nn.Softplus()))
    with pytest.raises(ToolchainError, match=r"softplus.*module 1\.0"):
        write(export(module, image()), tmp_path / "p.mlpackage")
    assert not list(tmp_path.iterdir())


def test_operators_on_constants_alone_are_computed_whatever_they_are(tmp_path: Path) -> None:
    table, index = vector(4), torch.tensor([[0, 1, 2, 3, 0]])
    module = Lambda(lambda x, table, index: x + torch.nn.functional.softplus(table[index]), table, index)
    x = image()
    actual = evaluate(export(module, x), x, tmp_path / "p.mlpackage", Precision.FP32)
    np.testing.assert_allclose(actual, module(x).numpy(), rtol=1e-6)


def test_constant_beyond_fp16_is_refused_with_its_module(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(6, 6, 1))
    with torch.no_grad():
        module[0].weight[0, 0] = 7e4
    program = export(module, image())
    with pytest.raises(ToolchainError, match=r"magnitude 70000 in module 0.*65504"):
        write(program, tmp_path / "p.mlpackage")
    write(program, tmp_path / "p.mlpackage", Precision.FP32)


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x + y

    program = torch.export.export(Sum(), (image(), image()))
    with pytest.raises(ToolchainError, match="2 inputs"):
        write(program, tmp_path / "p.mlpackage")


def test_operations_carry_the_module_path(tmp_path: Path) -> None:
    module = nn.Sequential(FeedForward(6))
    write(export(module, image()), tmp_path / "p.mlpackage")
    operations = package.load_function(tmp_path / "p.mlpackage").operations
    assert {module_path(op.name) for op in operations if op.op_type == "conv"} == {"0.dw", "0.pw1", "0.pw2"}


def test_no_tensor_of_the_models_blocks_has_more_than_four_dimensions(tmp_path: Path) -> None:
    for index, name in enumerate(("softmax attention", "linear attention", "windows", "head")):
        path = tmp_path / f"{index}.mlpackage"
        write(export(seeded(GROUPS[name]), image()), path)
        shapes = [var.shape for op in package.load_function(path).operations for var in op.outputs]
        assert max(len(shape) for shape in shapes) <= 4
