"""Modules wrapped at random: what the written file gives is what the module gives, or the module was refused by name.

Every wrap goes through loading; the first of them also through rewriting, export, a written .tflite and its runtime:
`EVIT_MOBILE_WRAPS=300` says how many, and 300 of them take half an hour.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from converters.contract import Metadata, Precision
from converters.registry import find_target
from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights import load_module
from evit_mobile.preparation import export
from evit_mobile.rewrites import rewrite
from tests.evit_mobile.models.wrappers import SIZE, Around, Normalise, Output, network, output_of
from tests.oracles import randomise, relative_error

pytestmark = pytest.mark.slow
WRAPS = 300
AS_FILES = int(os.environ.get("EVIT_MOBILE_WRAPS", "8"))
CLASSES = 6

Step = Callable[[Any, Tensor], Any]

BEFORE: dict[str, Step] = {
    "nothing": lambda _, x: x,
    "normalised": lambda m, x: m.normalise(x),
    "from bytes": lambda _, x: x * 255 / 127.5 - 1,
    "in place": lambda _, x: x.sub_(0.5).mul_(2),
    "BGR": lambda _, x: x[:, [2, 1, 0]],
    "one channel": lambda _, x: x[:, 1:2].repeat(1, 3, 1, 1),
    "grey": lambda _, x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1),
    "mirrored": lambda _, x: x.flip(3),
    "smaller": lambda _, x: F.interpolate(x, (32, 32)),
    "by its largest": lambda _, x: x / 255 if x.max() > 1 else x,
}
CALLS: dict[str, Step] = {
    "whole": lambda m, x: m.net(x),
    "pooled features": lambda m, x: F.adaptive_avg_pool2d(m.net.forward_features(x), 1).flatten(1) @ m.mix,
    "twice": lambda m, x: (m.net(x) + m.net(x.flip(3))) / 2,
    "in pairs": lambda m, x: m.net(torch.cat([x, x.flip(3)])).mean(0, keepdim=True),
    "first stage": lambda m, x: m.net.stages[0](m.net.stem(x)).mean((2, 3)),
    "with the image": lambda m, x: m.net(x) + x.mean(),
}
HEADS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda _: nn.Identity(),
    "linear": lambda width: nn.Linear(width, CLASSES),
    "batch norms": lambda width: nn.Sequential(
        nn.BatchNorm1d(width), nn.Linear(width, 16), nn.SiLU(), nn.BatchNorm1d(16), nn.Linear(16, CLASSES)
    ),
    "dropout": lambda width: nn.Sequential(nn.Dropout(0.3), nn.Linear(width, CLASSES, bias=False)),
    "layer norm": lambda width: nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Linear(width, CLASSES)),
    "weight norm": lambda width: parametrizations.weight_norm(nn.Linear(width, CLASSES)),
    "pruned": lambda width: prune.random_unstructured(nn.Linear(width, CLASSES), "weight", 0.4),  # type: ignore[no-untyped-call,no-any-return]  # torch's own
}
BEHIND: dict[str, Step] = {
    "nothing": lambda _, y: y,
    "softmax": lambda _, y: y.softmax(-1),
    "log softmax": lambda _, y: F.log_softmax(y, 1),
    "sigmoid": lambda _, y: torch.sigmoid(y),
    "temperature": lambda _, y: y / 2.5,
    "learned scale": lambda m, y: y * m.scale[: y.shape[1]] + 0.1,
    "tanh": lambda _, y: torch.tanh(y),
    "leaky": lambda _, y: F.leaky_relu(y, 0.2),
    "other order": lambda _, y: y[:, [2, 0, 3, 1]],
    "some classes": lambda _, y: y[:, 1:4],
    "reversed": lambda _, y: y.flip(1) if y.shape[1] <= CLASSES else y,
    "the class": lambda _, y: y.argmax(1, keepdim=True),
    "the best": lambda _, y: y.topk(2).values,
}
OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "a tensor": lambda y: y,
    "a dictionary": lambda y: {"logits": y},
    "a dataclass": lambda y: Output(logits=y),
    "a tuple": lambda y: (y,),
    "two": lambda y: {"logits": y, "more": y[:, :1]},
    "without batch": lambda y: y[0],
}
WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "none": lambda module: module,
    "compiled": lambda module: torch.compile(module, backend="eager"),  # type: ignore[return-value]  # a module
    "parallel": nn.DataParallel,
    "averaged": torch.optim.swa_utils.AveragedModel,
    "in training": lambda module: module.train(),
}
REFUSED = {
    "mirrored": "flip",
    "smaller": "upsample_nearest2d|shape",
    "by its largest": "no fixed sequence",
    "twice": "2 times",
    "in pairs": "shape",
    "first stage": "one by one",
    "with the image": "goes round",
    "the class": "argmax",
    "the best": "topk",
    "two": "2 outputs",
    "without batch": "for one image",
}
"""What has no place in a file, and the word that the refusal has for it."""


def wrapped(kinds: dict[str, str]) -> nn.Module:
    """The module that `kinds` describe."""
    classes = CLASSES if kinds["head"] == "none" else 0
    whole = kinds["call"] != "pooled features" and kinds["call"] != "first stage"
    width = classes or (1280 if whole else 128)
    if kinds["call"] == "first stage":
        width = 16
    head = randomise(HEADS[kinds["head"]](width)) if kinds["head"] != "none" else nn.Identity()

    def forward(m: Any, x: Tensor) -> Any:
        y = CALLS[kinds["call"]](m, BEFORE[kinds["before"]](m, x))
        y = BEHIND[kinds["behind"]](m, m.head(y))
        return OUTPUTS[kinds["output"]](BEHIND[kinds["last"]](m, y))

    module = Around(forward, net=network("efficientvit_b0", classes), head=head, normalise=Normalise())
    module.register_buffer("mix", torch.randn(128, 128) / 11)
    module.register_buffer("scale", torch.rand(1280) + 0.5)
    if kinds["head"] == "pruned" and kinds["wrapper"] == "averaged":
        return module  # which torch cannot copy
    return WRAPPERS[kinds["wrapper"]](module)


def checked(kinds: dict[str, str], images: Tensor, folder: Path | None) -> None:
    """The one outcome or the other; with `folder`, of a file that is written there."""
    module = wrapped(kinds)
    words = [REFUSED[kind] for kind in kinds.values() if kind in REFUSED]
    if words:
        with pytest.raises(CheckpointError, match="|".join(words)):
            load_module(module)
        return
    reference = load_module(module)
    expected = output_of(module.eval(), images)
    with torch.no_grad():
        assert relative_error(reference.module(images), expected) < 5e-5
    if folder is not None:
        assert relative_error(run_file(reference.module, images, folder), expected) < 1e-4


def run_file(reference: nn.Module, images: Tensor, folder: Path) -> Tensor:
    """What a .tflite of the reference gives."""
    target = find_target("tflite")
    form, _ = rewrite(reference, images)
    path = folder / "wrap.tflite"
    target.lower(export(form, (SIZE, SIZE)), Precision.FP32, path, Metadata(description="", version="0", labels=()))
    return torch.from_numpy(target.load(path)(images.numpy()))


def kinds(table: dict[str, Any], harmless: int) -> st.SearchStrategy[str]:
    """One of the table, those that can be written `harmless` times as often."""
    names = [name for name in table for _ in range(1 if name in REFUSED else harmless)]
    return st.sampled_from(names)


WRAP = st.fixed_dictionaries(
    {
        "before": kinds(BEFORE, 4),
        "call": kinds(CALLS, 8),
        "head": kinds(HEADS, 1),
        "behind": kinds(BEHIND, 4),
        "last": kinds({name: step for name, step in BEHIND.items() if name not in ("other order", "some classes")}, 4),
        "output": kinds(OUTPUTS, 4),
        "wrapper": kinds(WRAPPERS, 1),
    }
)


def test_what_a_wrap_gives_is_what_its_reference_and_its_file_give() -> None:
    images = torch.cat([torch.rand(1, 3, SIZE, SIZE), torch.randn(1, 3, SIZE, SIZE)])
    done: list[dict[str, str]] = []

    @seed(0)
    @settings(
        max_examples=WRAPS, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck)
    )
    @given(WRAP)
    def wrap(kinds: dict[str, str]) -> None:
        done.append(kinds)
        with tempfile.TemporaryDirectory() as folder:
            checked(kinds, images, Path(folder) if len(done) <= AS_FILES else None)

    wrap()
    assert len(done) >= WRAPS


def test_a_head_that_is_dropped_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: loading that looks at the network alone."""
    from evit_mobile.models.weights import live

    examined = live.examine
    monkeypatch.setattr(
        live,
        "examine",
        lambda module: examined(next(child for child in module.modules() if hasattr(child, "forward_features"))),
    )
    images = torch.randn(1, 3, SIZE, SIZE)
    kinds = {"before": "normalised", "call": "whole", "head": "linear", "behind": "softmax", "last": "nothing"}
    with pytest.raises((AssertionError, RuntimeError)):
        checked({**kinds, "output": "a tensor", "wrapper": "none"}, images, None)
