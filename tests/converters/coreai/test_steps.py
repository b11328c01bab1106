"""Operations one by one in PyTorch, each on what was given of those before: what is off shows alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Interpreter, Node

from converters.coreai.steps import MOST, Steps, quanta, weights_of

IMAGE = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Runtime(Interpreter):
    """Another runtime: `found` is what every operation gives in it, of which the one called `wrong` is off where it is largest."""

    def __init__(self, module: GraphModule, wrong: str = "") -> None:
        super().__init__(module)
        self.found: dict[str, Tensor] = {}
        self._wrong = wrong

    def run_node(self, n: Node) -> object:
        result = super().run_node(n)
        if n.name == self._wrong:
            result = result * (1 - 0.1 * (result == result.max()))
        if n.op != "output" and n.name != "x":
            self.found[n.name] = result
        return result


class Net(nn.Module):
    """A weight that is computed, and operations behind each other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(self.first(x).relu(), self.last.weight * 2)


@pytest.fixture(scope="module")
def program() -> ExportedProgram:
    return torch.export.export(Net().eval(), (IMAGE,))


@torch.no_grad()
def given(program: ExportedProgram, wrong: str = "") -> dict[str, Tensor]:
    runtime = Runtime(program.graph_module, wrong)
    runtime.run(*program.state_dict.values(), IMAGE)
    return runtime.found


def test_a_faultless_runtime_is_nowhere_off(program: ExportedProgram) -> None:
    found = given(program)
    off = Steps(program, found).on(IMAGE)
    assert off.keys() == found.keys()
    assert {int(one.max()) for one in off.values()} == {0}


@pytest.mark.parametrize("wrong", ["p_first_weight", "mul", "relu", "conv2d_1"])
def test_what_is_off_shows_alone(wrong: str, program: ExportedProgram) -> None:
    off = Steps(program, given(program, wrong)).on(IMAGE)
    assert [name for name, one in off.items() if one.max() > 1] == [wrong]
    assert int((off[wrong] > 0).sum()) == 1


def test_what_is_not_given_is_computed(program: ExportedProgram) -> None:
    found = given(program, "conv2d")
    off = Steps(program, {name: found[name] for name in ("relu", "conv2d_1")}).on(IMAGE)
    assert [name for name, one in off.items() if one.max() > 1] == ["relu"]


def test_weights_depend_on_no_image(program: ExportedProgram) -> None:
    assert {"p_first_weight", "mul"} <= weights_of(program)
    assert weights_of(program).isdisjoint({"x", "conv2d", "relu"})


@pytest.mark.parametrize(
    ("given", "expected", "each", "off"),
    [
        (torch.tensor([3, -128], dtype=torch.int8), torch.tensor([1, 127], dtype=torch.int8), False, [2, 255]),
        (torch.tensor([1 + 2**-8, 128.0]), torch.tensor([1.0, 128.0]), False, [8, 0]),
        (torch.tensor([1 + 2**-9, 64.0]).half(), torch.tensor([1.0, 64.0]).half(), True, [2, 0]),
        (torch.tensor([float("nan"), 1.0]), torch.tensor([1.0, 1.0]), False, [MOST, 0]),
        (torch.tensor([float("nan"), float("inf")]), torch.tensor([float("nan"), float("inf")]), False, [0, 0]),
        (torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0]), False, [MOST, 0]),
    ],
    ids=["codes", "floats", "weights", "no number", "the same no number", "beside zeros"],
)
def test_quanta(given: Tensor, expected: Tensor, each: bool, off: list[int]) -> None:
    assert quanta(given, expected, each=each).tolist() == off
