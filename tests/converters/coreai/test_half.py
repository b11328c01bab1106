"""A program in fp16 but for its ends, its islands and what comes of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from converters.coreai.half import to_half
from converters.quantized_program import graph_module
from tests.lowering_helpers import Apply, export

X = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
HALF, SINGLE = torch.float16, torch.float32


def halved(model: nn.Module, *wide: str) -> GraphModule:
    module = graph_module(export(model, X))
    to_half(module, wide)
    module.graph.lint()
    module.recompile()
    return module


def computed(module: GraphModule) -> tuple[Tensor, dict[str, torch.dtype]]:
    """The result, and what each operation but the casts gave."""
    found: dict[str, torch.dtype] = {}

    class Watching(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if n.op == "call_function" and isinstance(value, Tensor) and "_to_copy" not in str(n.target):
                found[n.name] = value.dtype
            return value

    return Watching(module).run(X), found


def casts(module: GraphModule) -> int:
    return sum("_to_copy" in str(node.target) for node in module.graph.nodes)


def test_all_but_the_ends_are_halves() -> None:
    module = halved(Apply(lambda x: (x * 2).relu()))
    result, dtypes = computed(module)
    assert dtypes == {"mul": HALF, "relu": HALF}
    assert torch.equal(result, (X.half() * 2).relu().float())


def test_what_several_read_is_cast_once() -> None:
    module = halved(Apply(lambda x: x.relu() + x.sigmoid()))
    assert casts(module) == 2  # of the image, of the result
    assert set(computed(module)[1].values()) == {HALF}


def test_an_island_and_what_comes_of_it_directly_stay_whole() -> None:
    model = Apply(lambda x: ((x * 1e6).abs() / 1e6).relu())
    result, dtypes = computed(halved(model, "mul", "abs_1"))
    assert dtypes == {"mul": SINGLE, "abs_1": SINGLE, "div": SINGLE, "relu": HALF}
    torch.testing.assert_close(result, X.abs(), rtol=1e-3, atol=1e-5)
    assert not computed(halved(model))[0].isfinite().all()


def test_weights_are_rounded_once_and_the_program_keeps_its_own() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 2, 3)
    result, dtypes = computed(halved(layer))
    assert set(dtypes.values()) == {HALF}
    expected = nn.functional.conv2d(X.half(), layer.weight.half(), layer.bias.half())  # type: ignore[union-attr]  # it has a bias
    assert torch.equal(result, expected.float())
    assert layer.weight.dtype is SINGLE


def test_a_constant_beyond_fp16_is_refused_and_infinity_is_not() -> None:
    with pytest.raises(OverflowError, match=r"a constant of magnitude 100000, .*; fp16 ends at 65504"):
        halved(Apply(lambda x, c: x * c, c=torch.full((4, 1, 1), 1e5)))
    result, _ = computed(halved(Apply(lambda x, c: torch.minimum(x, c), c=torch.full((4, 1, 1), float("inf")))))
    assert torch.equal(result, X.half().float())


def test_fp32_by_name_becomes_fp16() -> None:
    _, dtypes = computed(halved(Apply(lambda x: x.softmax(-1, dtype=SINGLE))))
    assert dtypes == {"softmax": HALF}


def test_parts_of_a_result_are_what_it_is() -> None:
    result, dtypes = computed(halved(Apply(lambda x: x.split(2, 1)[1] * 2)))
    assert set(dtypes.values()) == {HALF}
    assert torch.equal(result, (X[:, 2:].half() * 2).float())


def test_integers_stay_integers() -> None:
    result, dtypes = computed(halved(Apply(lambda x, i: x.index_select(1, i), i=torch.tensor([3, 0]))))
    assert dtypes == {"index_select": HALF}
    assert torch.equal(result, X[:, [3, 0]].half().float())
