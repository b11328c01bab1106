"""Which operations a program becomes: what is fused, what is free, what is shared."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.contract import Precision
from converters.errors import ToolchainError
from converters.tflite.graph import Activation, DataType
from converters.tflite.lower import to_graph
from tests.converters.tflite.tflite_helpers import codes, content, counts, interpreter, partitions
from tests.lowering_helpers import Apply, export, quantize


class SoftmaxAttention(nn.Module):
    """One attention head on an image: (1, C, H, W) -> (1, C, H, W)."""

    bias: Tensor

    def __init__(self, channels: int = 16, side: int = 7) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.register_buffer("bias", torch.randn(1, side * side, side * side))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2)
        scores = (q.transpose(1, 2) @ k + self.bias).softmax(-1)
        return x + (v @ scores.transpose(1, 2)).view(x.shape)


class LinearAttention(nn.Module):
    """ReLU linear attention with `heads` heads: (1, C, H, W) -> (1, C, H, W)."""

    def __init__(self, channels: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        shape = (1, self.heads, x.shape[1] // self.heads, -1)
        q, k, v = torch.relu(self.query(x)).view(shape), torch.relu(self.key(x)).view(shape), self.value(x).view(shape)
        numerator = (v @ k.transpose(2, 3)) @ q
        denominator = k.sum(3, keepdim=True).transpose(2, 3) @ q
        return x + (numerator / (denominator + 1e-5)).reshape(x.shape)


class WindowAttention(nn.Module):
    """Attention in four windows cut by slices and joined by concatenations."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = SoftmaxAttention(side=4)

    def forward(self, x: Tensor) -> Tensor:
        windows = torch.cat([part for strip in x.chunk(2, 2) for part in strip.chunk(2, 3)], 0)
        windows = self.attention(windows)
        rows = [torch.cat(list(strip.split(1)), 3) for strip in windows.split(2)]
        return torch.cat(rows, 2)


@pytest.mark.parametrize(
    ("model", "side"),
    [(SoftmaxAttention(), 7), (LinearAttention(), 6), (WindowAttention(), 8)],
    ids=lambda p: str(p)[:8],
)
def test_attention_is_one_partition(model: nn.Module, side: int) -> None:
    program = export(model, torch.randn(1, 16, side, side))
    assert partitions(content(program)) == 1


@pytest.mark.parametrize(("model", "side"), [(SoftmaxAttention(), 7), (WindowAttention(), 8)], ids=["image", "windows"])
def test_softmax_attention_transposes_nothing(model: nn.Module, side: int) -> None:
    assert "TRANSPOSE" not in codes(export(model, torch.randn(1, 16, side, side)))


def test_linear_attention_transposes_each_of_its_tensors_once() -> None:
    # Heads lie inside tokens in NHWC and batches must lie outside: q, k, v and the result move, nothing else.
    assert codes(export(LinearAttention(), torch.randn(1, 16, 6, 6))).count("TRANSPOSE") == 4


@pytest.mark.parametrize("clamp", [nn.ReLU(), nn.ReLU6(), nn.Hardtanh(0.0, 6.0)], ids=["relu", "relu6", "hardtanh"])
def test_a_clamp_behind_a_convolution_is_fused(clamp: nn.Module) -> None:
    graph = to_graph(export(nn.Sequential(nn.Conv2d(3, 4, 1), clamp), torch.randn(1, 3, 4, 4)), Precision.FP32)
    (convolution,) = graph.operations
    expected = Activation.RELU if isinstance(clamp, nn.ReLU) else Activation.RELU6
    assert convolution.options["fusedActivationFunction"] is expected


def test_a_clamp_is_not_fused_when_the_plain_value_is_read_too() -> None:
    model = Apply(lambda x, f: torch.cat([f(x), torch.relu(f(x))], 1), f=nn.Conv2d(3, 4, 1))
    shared = Apply(lambda x, f: (lambda y: y + torch.relu(y))(f(x)), f=nn.Conv2d(3, 4, 1))
    x = torch.randn(1, 3, 4, 4)
    assert codes(export(model, x)).count("RELU") == 0
    assert codes(export(shared, x)).count("RELU") == 1


def test_permutes_and_free_views_cost_nothing() -> None:
    def function(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(1, 16, 4).transpose(1, 2).reshape(1, 4, 4, 4) + 1

    assert codes(export(Apply(function), torch.randn(1, 4, 4, 4))) == ["ADD"]


def test_a_chain_of_views_is_one_reshape() -> None:
    def function(x: Tensor) -> Tensor:
        return x.view(1, 2, 2, 16).flatten(1, 2).view(1, 4, 2, 8).unsqueeze(0).squeeze(0).flatten(2).softmax(-1)

    assert codes(export(Apply(function), torch.randn(1, 4, 4, 4))).count("RESHAPE") <= 1


def test_constants_are_folded_and_equal_ones_stored_once() -> None:
    table = torch.randn(6)
    model = Apply(lambda x, c: (x + c[torch.arange(12) // 2].view(1, 12, 1, 1)) * (c * 1)[:1], c=table)
    assert codes(export(model, torch.randn(1, 12, 4, 4))) == ["ADD", "MUL"]
    conv = nn.Conv2d(64, 64, 3)
    once, twice = nn.Sequential(conv), nn.Sequential(conv, conv)
    x = torch.randn(1, 64, 8, 8)
    assert len(content(export(twice, x))) < 1.05 * len(content(export(once, x)))


def test_unread_operations_are_not_written() -> None:
    def function(x: Tensor) -> Tensor:
        torch.sigmoid(x)
        return x * 2

    assert codes(export(Apply(function), torch.randn(1, 4, 4, 4))) == ["MUL"]


def test_names_carry_module_paths() -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Conv2d(4, 2, 3, 2, 1))
    graph = to_graph(export(model, torch.randn(1, 3, 8, 8)), Precision.FP32)
    assert [operation.output.name.split("/")[0] for operation in graph.operations] == ["0.0", "1", "1"]


def test_names_are_unique() -> None:
    graph = to_graph(export(SoftmaxAttention(), torch.randn(1, 16, 7, 7)), Precision.FP16)
    names = [tensor.name for tensor in graph.tensors()]
    assert len(names) == len(set(names))


# int8


def test_a_quantized_block_is_int8_throughout() -> None:
    model = nn.Sequential(
        nn.Conv2d(8, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.Conv2d(24, 16, 1)
    )
    x = torch.randn(1, 8, 8, 8)
    graph = to_graph(quantize(export(model, x), x), Precision.INT8)
    assert [operation.code for operation in graph.operations] == [
        "QUANTIZE", "PAD", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "DEQUANTIZE"
    ]  # fmt: skip
    for operation in graph.operations[2:5]:
        source, weight, bias = operation.inputs
        assert source is not None
        assert weight is not None
        assert bias is not None
        assert (source.dtype, weight.dtype, bias.dtype) == (DataType.INT8, DataType.INT8, DataType.INT32)
        assert source.quantization is not None
        assert weight.quantization is not None
        assert bias.quantization is not None
        assert weight.quantization.axis == (3 if operation.code == "DEPTHWISE_CONV_2D" else 0)
        assert bias.quantization.scales == pytest.approx(
            [scale * source.quantization.scale for scale in weight.quantization.scales]
        )


def test_narrow_int8_convolutions_share_one_packed_form() -> None:
    """One reshape to packs of four pixels, one back at the end; the convolutions between read and write pairs."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 1)
    )
    x = torch.randn(1, 3, 16, 16)
    graph = to_graph(quantize(export(model, x), x), Precision.INT8)
    assert [operation.code for operation in graph.operations] == [
        "QUANTIZE", "RESHAPE", "PAD", "CONV_2D", "CONV_2D", "CONV_2D", "DEQUANTIZE", "RESHAPE"
    ]  # fmt: skip
    assert [operation.output.shape for operation in graph.operations[1:6]] == [
        (1, 16, 4, 12), (1, 17, 5, 12), (1, 8, 4, 16), (1, 8, 4, 16), (1, 8, 4, 16)
    ]  # fmt: skip


def test_an_int8_value_is_dequantized_once_for_all_float_readers() -> None:
    model = Apply(lambda x, f: (lambda y: (y + y.softmax(1)) * y.softmax(1))(f(x)), f=nn.Conv2d(3, 4, 1))
    x = torch.randn(1, 3, 4, 4)
    floats = ("aten.softmax.int", "aten.add.Tensor", "aten.mul.Tensor")
    graph = to_graph(quantize(export(model, x), x, floats=floats), Precision.INT8)
    assert counts(graph)["DEQUANTIZE"] == 1


def test_attention_moves_int8_and_computes_float() -> None:
    x = torch.randn(1, 16, 7, 7)
    floats = ("aten.softmax.int", "aten.matmul.default", "aten.add.Tensor")
    graph = to_graph(quantize(export(SoftmaxAttention(), x), x, floats=floats), Precision.INT8)
    types = {operation.code: operation.output.dtype for operation in graph.operations}
    assert types["CONV_2D"] is DataType.INT8
    assert types["BATCH_MATMUL"] is types["SOFTMAX"] is DataType.FLOAT32
    assert counts(graph)["TRANSPOSE"] == 0


@pytest.mark.parametrize("activation", [nn.Hardswish(), nn.GELU(approximate="tanh")], ids=["hardswish", "gelu"])
def test_a_float_activation_between_int8_is_a_chain_that_xnnpack_makes_a_table(activation: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), activation, nn.Conv2d(4, 4, 1))
    x = torch.randn(1, 3, 4, 4)
    operations = to_graph(quantize(export(model, x), x), Precision.INT8).operations
    start = next(index for index, operation in enumerate(operations) if operation.code == "CONV_2D")
    chain = operations[start : start + 5]
    name = "HARD_SWISH" if isinstance(activation, nn.Hardswish) else "GELU"
    assert [operation.code for operation in chain] == ["CONV_2D", "DEQUANTIZE", name, "QUANTIZE", "CONV_2D"]
    readers = [tensor for operation in operations for tensor in operation.inputs]
    assert readers.count(chain[1].output) == readers.count(chain[2].output) == 1


def test_scales_beyond_xnnpack_go_through_float() -> None:
    model = Apply(lambda x: x + x * 1e-5)
    x = torch.randn(1, 3, 4, 4)
    file = content(quantize(export(model, x), x), Precision.INT8)
    assert partitions(file) == 1


def test_versions_let_older_runtimes_refuse() -> None:
    from ai_edge_litert import schema_py_generated as schema

    x = torch.randn(1, 8, 6, 6)
    file = content(quantize(export(nn.Conv2d(8, 8, 1, groups=2), x), x), Precision.INT8, cpu_only=True)
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert versions[schema.BuiltinOperator.CONV_2D] == 6
    assert versions[schema.BuiltinOperator.DEQUANTIZE] == 2
    assert interpreter(file) is not None


# What has no form


class Named(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.outer = nn.Sequential(nn.Identity(), inner)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.outer(x)
        return result


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (lambda x: torch.cumsum(x, 1), "aten.cumsum.default"),
        (lambda x: x[:, ::2], "with step 2"),
        (lambda x: x.pow(3), "with exponent 3"),
        (lambda x: F.pad(x, (1, 1), value=2.0), "aten.pad.default"),
        (lambda x: x.expand(2, -1, -1, -1) * 2, "aten.expand.default"),
        (lambda x: F.conv2d(x, x.view(1, 4, 4, 4)), "with a computed weight"),
    ],
)
def test_what_has_no_form_is_an_error_that_names_the_module(function: object, operator: str) -> None:
    program = export(Named(Apply(function)), torch.randn(1, 4, 4, 4))  # type: ignore[arg-type]
    with pytest.raises(ToolchainError) as caught:
        to_graph(program, Precision.FP32)
    assert operator in caught.value.got
    assert "outer.1" in caught.value.got


def test_weights_beyond_half_precision_are_an_error_in_fp16() -> None:
    conv = nn.Conv2d(3, 4, 1)
    conv.weight.data[0, 0] = 1e6
    program = export(conv, torch.randn(1, 3, 4, 4))
    with pytest.raises(ToolchainError, match="65504"):
        to_graph(program, Precision.FP16)


def test_a_model_has_one_output() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x + 1, x + 2

    with pytest.raises(ToolchainError, match="2 outputs"):
        to_graph(export(Two(), torch.randn(1, 3, 4, 4)), Precision.FP32)
