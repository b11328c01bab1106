"""Every operator of the table against PyTorch, in ExecuTorch itself: fp32 and fp16."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.contract import Precision
from converters.errors import ToolchainError
from tests.converters.executorch.executorch_helpers import content, kinds, run
from tests.lowering_helpers import Apply, export, relative_error
from tests.lowering_models import IMAGE, MODELS, tokens

FP32_TOLERANCE = 1e-5  # relative to the largest output
FP16_TOLERANCE = 4e-3


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


def test_short_row_sums_are_fully_connected() -> None:
    """The delegate's own reduction takes ten times as long there."""
    file = content(export(Apply(lambda x: tokens(x).sum(2)), torch.randn(IMAGE)))
    assert kinds(file)["FullyConnected"] == 1
    assert kinds(file)["GlobalAvgPooling2d"] == 0
