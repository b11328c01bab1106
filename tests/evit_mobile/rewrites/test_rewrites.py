"""Every pass keeps the function, leaves the structure it promises, and is caught when it does not."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from evit_mobile.errors import RewriteError
from evit_mobile.models import build_model
from evit_mobile.models.mit import BicubicUpsample, ClassifierHead, LiteMLA
from evit_mobile.models.msra import CascadedGroupAttention, LocalWindowAttention
from evit_mobile.reference import randomise
from evit_mobile.rewrites import apply, rewrite
from evit_mobile.rewrites.apply import relative_error
from evit_mobile.rewrites.fold_batch_norm import fold_batch_norm, folded_convolution
from evit_mobile.rewrites.layer_norm import EvenLinear, rewrite_layer_norm
from evit_mobile.rewrites.linear_attention import StaticLinearAttention, rewrite_linear_attention
from evit_mobile.rewrites.upsampling import MatrixUpsample
from evit_mobile.spec import find_spec


def model_and_probe(name: str, size: tuple[int, int] = (96, 96)) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = build_model(find_spec(name, size=size, num_classes=7))
    randomise(model, size)
    return model, torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(2))


def operations(module: nn.Module, probe: torch.Tensor) -> list[str]:
    return [str(node.target) for node in calls(module, probe)]


def calls(module: nn.Module, probe: torch.Tensor) -> list[torch.fx.Node]:
    program = torch.export.export(module, (probe[:1],))
    return [node for node in program.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(
    "name",
    ["efficientvit_m0", "efficientvit_m1", "efficientvit_b0", "efficientvit_l1", "efficientvit_seg_b1_ade20k"],
)
@pytest.mark.parametrize("size", [(96, 96), pytest.param((224, 160), marks=pytest.mark.slow)])
def test_the_function_is_kept_on_other_images(name: str, size: tuple[int, int]) -> None:
    model, probe = model_and_probe(name, size)
    rewritten, log = rewrite(model, probe)
    other = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert relative_error(rewritten(other), model(other)) < 1e-4
    assert all(step.relative_error < 1e-4 for step in log.steps)
    assert log.steps[0].places > 0


def test_the_reference_is_left_as_it_was() -> None:
    model, probe = model_and_probe("efficientvit_b0")
    before = copy.deepcopy(model.state_dict())
    rewrite(model, probe)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.state_dict().keys() == before.keys()


def test_no_batch_norm_is_left() -> None:
    for name in ("efficientvit_m0", "efficientvit_b0", "efficientvit_l1"):
        rewritten, _ = rewrite(*model_and_probe(name))
        assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in rewritten.modules())


def test_a_batch_norm_without_a_rule_is_an_error() -> None:
    model, probe = model_and_probe("efficientvit_m0")
    model.stray = nn.BatchNorm2d(3)
    with pytest.raises(RewriteError, match="stray"):
        fold_batch_norm(model, probe)


def test_a_pass_that_changes_the_function_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotage(model: nn.Module, _probe: torch.Tensor) -> int:
        next(module for module in model.modules() if isinstance(module, nn.Conv2d)).weight.mul_(1.01)
        return 1

    monkeypatch.setattr(apply, "PASSES", (*apply.PASSES, ("sabotage", sabotage)))
    with pytest.raises(RewriteError, match="sabotage"):
        rewrite(*model_and_probe("efficientvit_m0"))


def test_a_pass_that_gives_nan_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def sabotage(model: nn.Module, _probe: torch.Tensor) -> int:
        next(module for module in model.modules() if isinstance(module, nn.Conv2d)).weight.fill_(float("nan"))
        return 1

    monkeypatch.setattr(apply, "PASSES", (("sabotage", sabotage),))
    with pytest.raises(RewriteError, match="nan"):
        rewrite(*model_and_probe("efficientvit_m0"))


def test_m_attention_becomes_static() -> None:
    rewritten, probe = rewrite(*model_and_probe("efficientvit_m0", (224, 224)))[0], torch.zeros(1, 3, 224, 224)
    assert not any(isinstance(m, CascadedGroupAttention | LocalWindowAttention) for m in rewritten.modules())
    found = calls(rewritten, probe)
    for gone in ("split", "chunk", "index", "permute", "expand", "batch_norm"):
        assert not any(gone in str(node.target) for node in found), gone
    assert max(len(node.meta["val"].shape) for node in found) == 4


def test_linear_attention_neither_pads_nor_slices() -> None:
    rewritten, probe = rewrite(*model_and_probe("efficientvit_b0"))[0], torch.zeros(1, 3, 96, 96)
    assert not any(isinstance(module, LiteMLA) for module in rewritten.modules())
    found = operations(rewritten, probe)
    for gone in ("pad", "chunk", "batch_norm"):
        assert not any(gone in operation for operation in found), gone
    # One product gives numerator and denominator; only they are taken apart.
    attentions = sum(isinstance(module, StaticLinearAttention) for module in rewritten.modules())
    assert sum("slice" in operation for operation in found) == sum("div" in operation for operation in found) * 2
    assert sum("matmul" in operation for operation in found) == 2 * attentions > 0


def test_linear_attention_keeps_the_references_eps() -> None:
    """Weights so small that the divisor is of the size of eps: without it the outputs would be others altogether."""
    torch.manual_seed(0)
    attention = LiteMLA(32, 16, attention_eps=1e-5, norm_eps=1e-5).eval().requires_grad_(False)
    attention.qkv.conv.weight.mul_(2e-3)
    model = nn.Sequential(attention)
    probe = torch.randn(2, 32, 7, 7)
    expected = model(probe)
    attention.eps = 0.0
    without = model(probe)
    attention.eps = 1e-5
    assert relative_error(without, expected) > 0.01
    projection = attention.proj
    projection.conv, projection.norm = folded_convolution(projection.conv, projection.norm), nn.Identity()
    rewrite_linear_attention(model, probe)
    assert relative_error(model(probe), expected) < 1e-5


def test_upsampling_is_a_product_with_constants() -> None:
    rewritten, probe = (
        rewrite(*model_and_probe("efficientvit_seg_b0_cityscapes", (64, 96)))[0],
        torch.zeros(1, 3, 64, 96),
    )
    assert not any(isinstance(module, BicubicUpsample) for module in rewritten.modules())
    assert not any("upsample" in operation or "interpolate" in operation for operation in operations(rewritten, probe))


@pytest.mark.parametrize("factor", [2, 4])
def test_upsampling_is_torchs(factor: int) -> None:
    x = torch.randn(2, 5, 3, 7, generator=torch.Generator().manual_seed(0))
    expected = BicubicUpsample(factor)(x)
    assert torch.allclose(MatrixUpsample(factor, 3, 7)(x), expected, atol=1e-5)
    assert not torch.allclose(MatrixUpsample(factor, 3, 7)(x.flip(2)), expected, atol=1e-2)


def test_outputs_before_layer_norm_have_one_size() -> None:
    """Planted: rows 0.01 to 100 times as large as they were, one of them zeros, and a common offset."""
    torch.manual_seed(0)
    head = (
        ClassifierHead(8, (16, 32), find_spec("efficientvit_b0").architecture, nn.Hardswish, 5)
        .eval()
        .requires_grad_(False)
    )
    linear = head.classifier[0]
    linear.weight.mul_(torch.logspace(-2, 2, 32)[:, None]).add_(0.5)
    probe = torch.randn(256, 8, 4, 4)
    expected, before = head(probe), outputs_of(linear, head, probe)
    model = nn.Sequential(head)
    assert rewrite_layer_norm(model, probe) == 1
    after = outputs_of(head.classifier[0].even, head, probe)
    assert relative_error(model(probe), expected) < 1e-5
    assert spread(before) > 10
    assert spread(after) < 3


def test_a_row_of_zeros_before_layer_norm_stays_one() -> None:
    linear = nn.Linear(4, 3, bias=False)
    with torch.no_grad():
        linear.weight[1] = 0
    x = torch.randn(2, 4)
    assert torch.allclose(EvenLinear(linear)(x), linear(x), atol=1e-6)


def outputs_of(layer: nn.Module, head: nn.Module, probe: torch.Tensor) -> torch.Tensor:
    """What a layer gives when the head sees the probe."""
    outputs: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda *arguments: outputs.append(arguments[2]))
    head(probe)
    handle.remove()
    return outputs[0]


def spread(outputs: torch.Tensor) -> float:
    """Root mean square of the largest channel over that of the smallest."""
    sizes = outputs.square().mean(0).sqrt()
    return float((sizes.max() / sizes.min()).detach())
