"""Modules wrapped at random: what the written file gives is what the module gives, or the module was refused by name.

Every wrap goes through loading; the first of them also through rewriting, export, a written .tflite and its runtime. By default there are
60 wraps, 4 of them as files. `EVIT_MOBILE_WRAPS=300` asks for 300, all of them as files, which takes half an hour, and
`EVIT_MOBILE_WRAPS_SEED=7` for others; with `-s` it says how many were proven and how many refused.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.nn.utils import parametrizations, prune

import evit_mobile
from calib.sources.bundled import Bundled, open_bundled
from converters.contract import Metadata, Precision
from converters.registry import find_target
from evit_mobile.errors import CheckpointError
from evit_mobile.metrics import sqnr_db, top1_agreement
from evit_mobile.models.surroundings import Surrounded, choices, plain
from evit_mobile.models.surroundings.choices import chosen
from evit_mobile.models.weights import live, load_module
from evit_mobile.prepare.forms import export
from evit_mobile.reference import load_reference
from evit_mobile.rewrites import rewrite
from tests.evit_mobile.models.wrappers import SIZE, Around, Normalise, Output, network, output_of
from tests.oracles import randomise, relative_error

pytestmark = pytest.mark.slow
ASKED = os.environ.get("EVIT_MOBILE_WRAPS")
WRAPS, AS_FILES = (60, 4) if ASKED is None else (int(ASKED), int(ASKED))
SEED = int(os.environ.get("EVIT_MOBILE_WRAPS_SEED", "0"))
CLASSES = 6
TRAINED_SIZE = 96

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
    "tanh": lambda _, y: torch.tanh(y / 100),  # logits are hundreds, and tanh keeps of those near 0 their rounding
    "leaky": lambda _, y: F.leaky_relu(y, 0.2) if y.is_floating_point() else y,  # torch has none of whole numbers
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


def wrapped(kinds: dict[str, str]) -> tuple[nn.Module, nn.Module]:
    """The module that `kinds` describe, without the outermost wrapper, which only says how to run it, and with it."""
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
        return module, module  # which torch cannot copy
    return module, WRAPPERS[kinds["wrapper"]](module)


def same(given: Tensor, expected: Tensor, limit: float) -> bool:
    """Whether two outputs are of one shape and differ by less than `limit`, relative."""
    return given.shape == expected.shape and relative_error(given, expected) < limit


def checked(kinds: dict[str, str], images: Tensor, folder: Path | None) -> str:
    """Which outcome it is of the two, "proven" or "refused"; with `folder`, of a file that is written there."""
    inner, module = wrapped(kinds)
    words = [REFUSED[kind] for kind in kinds.values() if kind in REFUSED]
    if words:
        with pytest.raises(CheckpointError, match="|".join(words)):
            load_module(module)
        return "refused"
    reference = load_module(module)
    expected = output_of(inner.eval(), images)
    with torch.no_grad():
        assert same(reference.module(images), expected, 5e-5)
    if folder is not None:
        assert same(run_file(reference.module, images, folder), expected, 1e-4)
    return "proven"


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


def check_wraps(count: int, as_files: int) -> Counter[str]:
    """Checks `count` wraps, the first of them also as files; returns how many had which outcome."""
    torch.manual_seed(SEED)
    images = torch.cat([torch.rand(1, 3, SIZE, SIZE), torch.randn(1, 3, SIZE, SIZE)])
    outcomes: Counter[str] = Counter()

    @seed(SEED)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(WRAP)
    def wrap(kinds: dict[str, str]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            outcomes[checked(kinds, images, Path(folder) if outcomes.total() < as_files else None)] += 1

    wrap()
    return outcomes


def test_what_a_wrap_gives_is_what_its_reference_and_its_file_give() -> None:
    outcomes = check_wraps(WRAPS, AS_FILES)
    print(f"seed {SEED}: {dict(outcomes)}")
    assert outcomes.total() >= WRAPS
    assert set(outcomes) == {"proven", "refused"}


def dropping(operation: OpOverload) -> Callable[[GraphModule], None]:
    """A step that takes an operation out of what lies around the network."""

    def drop(module: GraphModule) -> None:
        for node in module.graph.nodes:
            if node.target is operation:
                node.replace_all_uses_with(node.args[0])
        module.graph.eliminate_dead_code()

    return drop


def in_ascending_order(module: GraphModule, source: Node, dim: int, places: Tensor) -> Node | None:
    """`chosen`, whatever order was asked for."""
    return chosen(module, source, dim, places.sort().values)


PLANTED: dict[str, tuple[object, str, object]] = {
    "what lies before": (live, "Surrounded", lambda _, net, behind: Surrounded(nn.Identity(), net, behind)),
    "what lies behind": (live, "Surrounded", lambda before, net, _: Surrounded(before, net, nn.Identity())),
    "softmax": (plain, "STEPS", (dropping(torch.ops.aten.softmax.int), *plain.STEPS)),
    "the order": (choices, "chosen", in_ascending_order),
}
"""What a loader could drop, and how."""


@pytest.mark.parametrize("dropped", PLANTED)
def test_a_loader_that_drops_something_is_caught(dropped: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted faults, where the loader's own comparison does not look either."""
    monkeypatch.setattr(*PLANTED[dropped])
    monkeypatch.setattr(live, "compare", lambda *_: None)
    with pytest.raises(AssertionError):
        check_wraps(WRAPS, 0)


def test_a_file_that_drops_something_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault behind the loader."""
    whole = rewrite
    planted = lambda module, images: whole(getattr(module, "network", module), images)  # noqa: E731  # a name would be longer
    monkeypatch.setitem(run_file.__globals__, "rewrite", planted)
    with pytest.raises(AssertionError):
        check_wraps(WRAPS, WRAPS)


def same_order(classes: int) -> nn.Linear:
    """A linear layer that gives each class the score of the next, more or less."""
    layer = nn.Linear(classes, classes)
    layer.weight.data = torch.eye(classes).roll(1, 0) + 0.02 * torch.randn(classes, classes)
    return layer


TRAINED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "normalised, as probabilities of some classes": lambda net: Around(
        lambda m, x: {"logits": m.net(m.normalise(x))[:, [7, 2, 9, 0]].softmax(1)}, net=net, normalise=Normalise()
    ),
    "a head of its own": lambda net: nn.Sequential(net, nn.BatchNorm1d(10), same_order(10), nn.Sigmoid()),
}
"""Around a trained network, whose decisions int8 has to keep."""


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("kind", TRAINED)
def test_int8_files_of_wraps_decide_as_the_module(kind: str, tmp_path: Path) -> None:
    test, size = open_bundled(Bundled.TEST), (TRAINED_SIZE, TRAINED_SIZE)
    np.savez(tmp_path / "photos.npz", images=np.stack([np.asarray(test.item(index)) for index in range(100)]))
    torch.manual_seed(0)
    module = TRAINED[kind](load_reference(None, size=size).module).eval()
    conversion = evit_mobile.convert(
        module, size=size, formats=["tflite"], calib=str(tmp_path / "photos.npz"), out=tmp_path, golden=0
    )
    (entry,) = conversion.manifest.artefacts
    assert conversion.proven, entry.validations[0].reason
    preprocess = conversion.manifest.input.preprocess
    images = np.stack([preprocess(test.item(index)) for index in range(200, 264)])
    given = find_target("tflite").load(tmp_path / entry.path)(images)
    expected = output_of(module, torch.from_numpy(images)).numpy()
    assert top1_agreement(given, expected) >= 0.95
    assert sqnr_db(given, expected) > 20
