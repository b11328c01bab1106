"""One pass over the images serves every plan, goes on after an interruption, and depends on nothing it should not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from calib.cache import ObserverCache
from calib.methods import Method
from converters.quantized_program import graph_module
from evit_mobile.prepare.forms import export
from evit_mobile.quantization import observe as module_under_test
from evit_mobile.quantization.observe import observation_key, observe
from evit_mobile.quantization.plan import candidates, make_plan, plan_from


class Block(nn.Module):
    """A residual block whose convolutions, sum and ReLU become int8."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.second(torch.relu(x + self.first(x)))
        return out


@pytest.fixture
def program() -> ExportedProgram:
    torch.manual_seed(0)
    return export(Block().eval(), (8, 8))


def images(count: int) -> list[Tensor]:
    return list(torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1)).split(1))


def from_position(tensors: list[Tensor], ran: list[int]) -> Callable[[int], Iterator[Tensor]]:
    """The images from a position on; `ran` gets the position of each image that is taken."""

    def start_at(start: int) -> Iterator[Tensor]:
        for position in range(start, len(tensors)):
            ran.append(position)
            yield tensors[position]

    return start_at


def test_an_interrupted_calibration_goes_on(
    program: ExportedProgram, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_under_test, "SAVE_EVERY_S", 0.0)
    monkeypatch.setattr(module_under_test, "BATCH", 2)
    cache, names = ObserverCache(folder=tmp_path, key="0"), candidates(program)

    def interrupted(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    first: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        observe(program, names, from_position(images(6), first), cache=cache, progress=interrupted)
    second: list[int] = []
    resumed = observe(program, names, from_position(images(6), second), cache=cache)
    assert (first, second) == ([0, 1, 2, 3], [2, 3, 4, 5])
    assert plan_from(program, resumed) == make_plan(program, images(6))
    third: list[int] = []
    assert plan_from(program, observe(program, names, from_position(images(6), third), cache=cache)) == plan_from(
        program, resumed
    )
    assert third == []


def test_the_same_pass_serves_plans_with_protected_modules(program: ExportedProgram) -> None:
    ran: list[int] = []
    observations = observe(program, candidates(program), from_position(images(3), ran))
    protected = frozenset({"first"})
    assert plan_from(program, observations, protected) == make_plan(program, images(3), protected=protected)
    assert plan_from(program, observations) == make_plan(program, images(3))
    assert ran == [0, 1, 2]


def test_tensors_that_share_a_scale_are_ranged_together(program: ExportedProgram) -> None:
    observations = observe(program, candidates(program), lambda start: iter(images(3)[start:]), Method.MIN_MAX)
    one, other = candidates(program)[:2]
    low, high = zip(observations.range([one]), observations.range([other]), strict=True)
    assert observations.range([one, other]) == (min(low), max(high))


def test_the_key_names_everything_the_observations_depend_on(
    program: ExportedProgram, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = candidates(program)
    keys = [observation_key(program, names, "images", Method.MSE)]
    assert keys[0] == observation_key(program, names, "images", Method.MSE)
    keys.append(observation_key(program, names, "other images", Method.MSE))
    keys.append(observation_key(program, names, "images", Method.ENTROPY))
    keys.append(observation_key(program, names[1:], "images", Method.MSE))
    with torch.no_grad():
        program.state_dict["first.bias"][0] += 1e-6
    keys.append(observation_key(program, names, "images", Method.MSE))
    changed = tmp_path / "observe.py"
    changed.write_text("other code")
    monkeypatch.setattr(module_under_test, "__file__", str(changed))
    keys.append(observation_key(program, names, "images", Method.MSE))
    assert len(set(keys)) == len(keys)


def test_a_plan_for_tensors_that_were_not_watched_is_an_error(program: ExportedProgram) -> None:
    observations = observe(program, candidates(program), lambda start: iter(images(2)[start:]))
    with pytest.raises(KeyError):
        plan_from(program, replace(observations, observers={}))


class Activated(nn.Module):
    """Three convolutions: one read by hard swish alone, one by GELU alone, one by hard swish and a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.hard, self.gelu, self.both = (nn.Conv2d(3, 3, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        both = self.both(x)
        activated = nn.functional.hardswish(self.hard(x)), nn.functional.gelu(self.gelu(x))
        out: Tensor = activated[0] + activated[1] + nn.functional.hardswish(both) + both
        return out


@pytest.mark.parametrize("method", list(Method))
def test_no_codes_are_spent_below_what_an_activation_function_tells_apart(method: Method) -> None:
    torch.manual_seed(0)
    program = export(Activated().eval(), (8, 8))
    large = [100 * image for image in images(4)]
    observed = observe(program, ["conv2d", "conv2d_1", "conv2d_2"], from_position(large, []), method)
    lows = {node.args[1].target: observed.range([node.name])[0] for node in convolutions(program)}  # type: ignore[union-attr]  # a node
    assert -3.01 < lows["hard.weight"] < -2.5
    assert -4.01 < lows["gelu.weight"] < -3.5
    assert lows["both.weight"] < -20


def convolutions(program: ExportedProgram) -> list[Node]:
    return [node for node in graph_module(program).graph.nodes if node.target is torch.ops.aten.conv2d.default]


@pytest.mark.parametrize(("function", "floor"), [(node, floor) for node, floor in module_under_test.FLOORS.items()])
def test_below_its_floor_an_activation_function_is_as_good_as_zero(
    function: Callable[[Tensor], Tensor], floor: float
) -> None:
    below = torch.linspace(floor - 50, floor, 1001)
    assert float(function(below).abs().max()) < 1.3e-4
    assert float(function(torch.tensor(floor + 0.5)).abs()) > 1.3e-4
