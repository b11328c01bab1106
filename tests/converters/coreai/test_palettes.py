"""Weights as indices in a program for Core AI: what Core ML packages have, under names that coreai-torch finds."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from converters.coreai.half import to_half
from converters.coreai.palettes import is_palette, look_up_repeated, take_from_palettes
from converters.coreai.quantization import is_quantization, name_as_core_ai
from converters.lifting import exported_again
from converters.lowering.palettes import palettized
from converters.lowering.program import operator_name
from converters.quantized_program import graph_module
from tests.converters.coreai.stand_in import looked_up
from tests.converters.coreai.test_coreai_asset import IMAGES, int8_weights
from tests.lowering_helpers import Apply, export

pytestmark = pytest.mark.usefixtures("operators")
X = IMAGES[:1]


class Net(nn.Module):
    """A weight of 2,304 numbers, of few values, in a module whose name has what tables are found by, and three small ones."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.small, self.convolution = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 3)
        self.depthwise, self.linear = nn.Conv2d(16, 16, 3, groups=16), nn.Linear(16, 3)
        self.convolution.weight.data = torch.randint(-8, 8, (16, 16, 3, 3)) / 64

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.depthwise(self.convolution(self.small(x))).mean((2, 3)))


def indexed(module: GraphModule, bits: int) -> GraphModule:
    take_from_palettes(module, bits)
    module.graph.lint()
    module.recompile()
    return module


def kinds(module: GraphModule) -> Counter[str]:
    return Counter(operator_name(node) for node in module.graph.nodes if is_palette(node) or is_quantization(node))


def palettes(module: GraphModule) -> list[tuple[Tensor, Tensor]]:
    """Indices and tables."""
    found = [node.all_input_nodes for node in module.graph.nodes if is_palette(node)]
    return [tuple(module.get_buffer(str(one.target)) for one in pair) for pair in found]


@torch.no_grad()
def test_a_larger_weight_is_looked_up_and_smaller_ones_are_codes() -> None:
    program = export(Net(), X)
    module = indexed(graph_module(program), 4)
    assert kinds(module) == {
        "coreai.lut_to_dense.default": 1,
        "coreai.constexpr_blockwise_shift_scale.default": 3,
    }
    ((indices, tables),) = palettes(module)
    assert (indices.dtype, tables.dtype, indices.max()) == (torch.uint8, torch.float32, 15)
    torch.testing.assert_close(looked_up(indices, tables), Net().convolution.weight.detach())
    torch.testing.assert_close(module(X), program.module()(X), rtol=2e-2, atol=5e-3)
    again = exported_again(module, program).module(check_guards=False)
    assert torch.equal(again(X), module(X))


@pytest.mark.parametrize("bits", [4, 6])
def test_tables_are_those_of_every_format(bits: int) -> None:
    net = Net()
    nn.init.normal_(net.convolution.weight)
    ((indices, tables),) = palettes(indexed(graph_module(export(net, X)), bits))
    expected, entries = palettized(net.convolution.weight.detach(), bits)
    assert torch.equal(indices.long(), torch.from_numpy(expected))
    assert torch.equal(tables, entries)


def test_names_have_what_each_is_found_by_and_nothing_of_modules() -> None:
    module = indexed(graph_module(export(Net(), X)), 6)
    ((indices, tables),) = [node.all_input_nodes for node in module.graph.nodes if is_palette(node)]
    found = [(word in str(one.target)) for one in (indices, tables) for word in ("indices", "lut")]
    assert found == [True, False, False, True]


@torch.no_grad()
def test_codes_behind_scales_are_looked_up_as_codes() -> None:
    module = graph_module(int8_weights(Net().eval()))
    name_as_core_ai(module)
    before, codes = module(X), [value for value in module.buffers() if value.dtype is torch.int8 and value.ndim > 1]
    expected = kinds(module) + Counter({"coreai.lut_to_dense.default": 1})
    assert kinds(indexed(module, 6)) == expected
    ((indices, tables),) = palettes(module)
    assert (indices.dtype, tables.dtype) == (torch.uint8, torch.int8)
    (large,) = [value for value in codes if value.numel() == indices.numel()]
    assert torch.equal(looked_up(indices, tables), large)
    assert torch.equal(module(X), before)


def test_a_weight_that_two_layers_read_is_stored_once() -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1)
    module = indexed(graph_module(export(nn.Sequential(layer, nn.ReLU(), layer), torch.zeros(1, 16, 4, 4))), 4)
    (shared,) = [node for node in module.graph.nodes if is_palette(node)]
    assert len(shared.users) == 2


def test_what_is_no_weight_stays() -> None:
    class Biased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.randn(1, 4, 32, 32))

        def forward(self, x: Tensor) -> Tensor:
            return x + self.bias

    module = graph_module(export(Biased(), torch.zeros(1, 4, 32, 32)))
    before = str(module.graph)
    assert str(indexed(module, 4).graph) == before


@pytest.mark.parametrize(("wide", "dtype"), [((), torch.float16), (("conv2d_1",), torch.float32)])
def test_tables_have_the_type_of_the_layer_that_reads_them(wide: tuple[str, ...], dtype: torch.dtype) -> None:
    module = indexed(graph_module(export(Net(), X)), 4)
    to_half(module, wide)
    ((_, tables),) = palettes(module)
    assert tables.dtype is dtype


OFFSETS = torch.arange(49.0).repeat(49).view(1, 1, 49, 49)


def test_an_operand_that_repeats_a_few_values_is_looked_up_without_loss() -> None:
    image = torch.randn(1, 1, 49, 49)
    module = graph_module(export(Apply(lambda x, bias: (x + bias) * bias, bias=OFFSETS), image))
    expected = module(image)
    look_up_repeated(module)
    module.graph.lint()
    module.recompile()
    ((indices, table),) = palettes(module)
    assert (indices.shape, indices.max(), table.numel()) == (OFFSETS.shape, 48, 64)
    assert torch.equal(module(image), expected)


@pytest.mark.parametrize("operand", [torch.randn(1, 1, 49, 49), OFFSETS.long(), OFFSETS[:, :, :1]])
def test_varied_operands_integers_and_small_ones_stay(operand: Tensor) -> None:
    module = graph_module(export(Apply(lambda x, y: x + y, y=operand), torch.randn(1, 1, 49, 49)))
    before = str(module.graph)
    look_up_repeated(module)
    assert str(module.graph) == before
