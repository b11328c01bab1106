"""A module's forward as what lies before the network and what lies behind it; what is no fixed sequence of operations is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.surroundings.leaf import NotCalledError, standing_in
from evit_mobile.models.surroundings.trace import Traced, first_line, quiet, traced
from tests.evit_mobile.models.surroundings.graphs import IMAGE, Forward

TAKEN = IMAGE[1:]
Step = Callable[[Any, Tensor], Any]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stages, self.head = nn.Sequential(nn.Conv2d(3, 6, 4, 4)), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(x).mean((2, 3)))
        return out


def around(step: Step, shape: tuple[int, ...] = (1, 5), *, whole: bool = True, **parts: Any) -> Traced:
    net = Net().eval()
    module = Forward(step, net=net, **parts).eval()
    return traced(module, TAKEN, TAKEN, partial(standing_in, net, ("stages",), shape, whole=whole, stages=False))


def test_what_lies_around_the_whole_network() -> None:
    scale = torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1)
    found = around(lambda m, x: {"logits": m.net(x * m.scale).softmax(1)}, scale=scale)
    image, logits = torch.randn(IMAGE), torch.randn(1, 5)
    assert torch.allclose(found.before(image), image * scale)
    assert torch.allclose(found.behind(logits), logits.softmax(1))


def test_what_lies_around_the_trunk() -> None:
    head = nn.Linear(6, 2)
    found = around(lambda m, x: m.own(m.net.stages(x).mean((2, 3))), (1, 6, 2, 2), whole=False, own=head)
    features = torch.randn(1, 6, 2, 2)
    assert isinstance(found.before, nn.Identity)
    with torch.no_grad():
        assert torch.allclose(found.behind(features), head(features.mean((2, 3))), atol=1e-6)


def count(module: Any, x: Tensor) -> Tensor:
    module.calls.add_(1)
    out: Tensor = module.net(x) * module.calls
    return out


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda m, x: m.net(x if x.sum() > 0 else -x), "no fixed sequence of operations: "),
        (torch.autocast("cpu", torch.bfloat16)(lambda m, x: m.net(x)), "a region of its own: wrap_with_autocast"),
        (count, "whose forward changes calls"),
        (lambda m, x: (m.net(x), x), "2 outputs"),
        (lambda m, x: m.own(m.net(x)), "calls cumsum in 'own'"),
    ],
)
def test_what_no_file_can_hold_is_refused(step: Step, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    own = Forward(lambda _, x: x.cumsum(1))
    with pytest.raises(CheckpointError, match=words):
        around(step, calls=torch.zeros(1), own=own)
    assert capsys.readouterr() == ("", "")


def test_who_looks_into_the_trunk_is_refused() -> None:
    with pytest.raises(CheckpointError, match="takes the network's stages one by one, which are features from within"):
        around(lambda m, x: m.net.stages[0](x), whole=False)


@pytest.mark.parametrize("step", [lambda _, x: x.mean((2, 3)), lambda m, x: m.net.stages(x)])
def test_a_network_that_is_not_called_as_such_is_told_apart(step: Step) -> None:
    with pytest.raises(NotCalledError):
        around(step)


def test_torch_is_silent_within_and_as_loud_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.DEBUG)
    with quiet():
        print("printed")
        assert not logging.getLogger("torch").isEnabledFor(logging.ERROR)
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    assert logging.root.manager.disable == logging.DEBUG
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (KeyError("a"), "KeyError: 'a'"),
        (RuntimeError("\n\n  late\nrest"), "RuntimeError: late"),
        (ZeroDivisionError(), "ZeroDivisionError: "),
    ],
)
def test_an_error_is_its_type_and_first_line(error: Exception, words: str) -> None:
    assert first_line(error) == words
