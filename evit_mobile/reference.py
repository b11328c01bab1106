"""Where the reference comes from: bundled weights, a file, a hub, a live module, or random numbers when asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.fx import GraphModule

from calib.sources.bundled import bundled_class_names
from calib.stated.given import complete
from calib.stated.statement import DEFAULT, Decision, Statement, decide
from calib.stated.values import BGR
from evit_mobile.errors import UsageError
from evit_mobile.findings import Recovery, WeightsKind
from evit_mobile.images.data import preprocess_for
from evit_mobile.images.preprocessing import (
    AS_STATED,
    PreprocessOptions,
    for_grey,
    in_channels,
    recorded_preprocessing,
    scaled_inside,
    stated_preprocessing,
)
from evit_mobile.models import build_model
from evit_mobile.models.bundled import BUNDLED, DEFAULT_MODEL, bundled_checkpoint
from evit_mobile.models.surroundings import Surrounded
from evit_mobile.models.surroundings.describe import gives_probabilities
from evit_mobile.models.weights import LoadedModel, is_hub_reference, load_checkpoint, load_hub, load_module
from evit_mobile.models.weights.adapt import BGR_NOTE, turn_colors
from evit_mobile.models.weights.bias_tables import BIAS_TABLE, resized_bias_table
from evit_mobile.models.weights.layouts import LAYOUTS
from evit_mobile.models.weights.template import Part, only
from evit_mobile.spec import ModelSpec, Task, find_spec

Size = tuple[int, int]
RECOVERED = "the record of the recovery"
"""Who states the class names and the preprocessing of a variation's weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The fp32 module everything is proven against, (B, 3, H, W) -> (B, classes), and where its weights come from.

    `source` finds its weights again. `labels` are the classes' names in the
    order of the logits as `labels_stated_by` states them, empty where nobody does. `notes` say what was decided while loading the
    weights. `statements` say how images are preprocessed, what was given before what is stated with the weights. `recovery` is how the
    weights of a variation came about. `original` is a private copy of a live module. `bgr` is whether the weights were for BGR: `module`
    takes RGB.
    """

    spec: ModelSpec
    module: nn.Module
    weights: WeightsKind
    source: str
    origin: str
    keys: int
    sha256: str | None
    labels: tuple[str, ...] = ()
    labels_stated_by: str | None = None
    notes: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    recovery: Recovery | None = None
    original: nn.Module | None = None
    bgr: bool = False

    @property
    def lineage(self) -> WeightsKind:
        """`weights` of the original where these were recovered from it: they decide whose images and classes are the model's."""
        return self.weights if self.recovery is None else self.recovery.weights

    @property
    def preprocessing(self) -> Decision:
        """How images become the module's input. Raises DataError for what is stated and cannot be met."""
        own = self.lineage not in ("bundled", "random")
        default = preprocess_for(self.spec, bundled=not own)
        source = DEFAULT if own else f"the {self.lineage} weights"
        channels, statements = self.spec.channels, self.statements
        if self.lineage == "bundled" or channels == 4:
            statements = (*statements, complete(default, source))
        if channels == 4:  # values that are replaced: nobody knows a fourth channel's by default
            default = replace(default, color="RGBA", mean=(0.0,) * 4, std=(1.0,) * 4)
        decision = decide(default, [in_channels(one, channels) for one in statements], source)
        return for_grey(decision) if self.spec.grey else decision

    @property
    def ends_in(self) -> str | None:
        """The softmax or sigmoid that a live module ends in, whose outputs are probabilities and no logits; None for any other."""
        return gives_probabilities(self.module)

    @property
    def learned(self) -> tuple[str, ...]:
        """Content digests of the images that a recovery learned from, which may not judge."""
        return () if self.recovery is None else self.recovery.images


def load_reference(
    model: str | ModelSpec | nn.Module | None,
    *,
    weights: str | Path | None = None,
    size: Size | None = None,
    num_classes: int | None = None,
    seed: int = 0,
    preprocess: PreprocessOptions = AS_STATED,
) -> Reference:
    """The reference that `model` and `weights` ask for. Raises UsageError, CheckpointError, and DataError for `preprocess`."""
    given = preprocess.statements()
    if size is None and not isinstance(model, ModelSpec):
        size = next((statement.size for statement in given if statement.size is not None), None)
    reference = _load(model, weights, size, num_classes, seed)
    return in_rgb(replace(reference, statements=(*given, *reference.statements)))


def in_rgb(reference: Reference) -> Reference:
    """`reference` for RGB where its weights are stated to be for BGR. Raises UsageError for a module whose forward does something before
    the network.
    """
    order = next((one.values["color"] for one in reference.statements if "color" in one.values), None)
    if order != BGR or reference.spec.grey or reference.spec.channels != 3:
        return reference
    if isinstance(reference.module, Surrounded):
        raise UsageError(
            got="colour order BGR for a module with a forward of its own",
            allowed="BGR for a network by itself",
            do="turn the colours in its forward, as x[:, [2, 1, 0]]: that comes along in every file",
        )
    turn_colors(reference.module)
    return replace(reference, bgr=True, notes=(*reference.notes, BGR_NOTE))


def _load(
    model: str | ModelSpec | nn.Module | None,
    weights: str | Path | None,
    size: Size | None,
    num_classes: int | None,
    seed: int,
) -> Reference:
    if isinstance(model, nn.Module):
        return _loaded("module", load_module(model, size=size))
    if not isinstance(model, str | ModelSpec | None):
        raise UsageError(
            got=f"a {type(model).__name__} as model",
            allowed="a variant's name, a ModelSpec or an nn.Module",
            do="pass the module itself; make a function the forward of one, and save a state dict and pass the file as weights",
        )
    if isinstance(model, ModelSpec):
        name: str | None = model.name
        size, num_classes = size or model.size, model.num_classes if num_classes is None else num_classes
    else:
        name = model
    if name is not None:
        find_spec(name, size=size, num_classes=num_classes)  # a wrong name or size is an error before anything is read
    if weights is None or weights == "bundled":
        return _bundled(name or DEFAULT_MODEL, size, num_classes)
    if weights == "random":
        return _random(name or DEFAULT_MODEL, size, num_classes, seed)
    if is_hub_reference(str(weights)):
        return _loaded("hub", load_hub(str(weights), model=name, size=size, num_classes=num_classes))
    return _loaded("file", load_checkpoint(Path(weights), model=name, size=size, num_classes=num_classes))


def _loaded(weights: WeightsKind, loaded: LoadedModel) -> Reference:
    labels, stated_by = loaded.stated.labels, loaded.stated.labels_stated_by
    stated = stated_preprocessing(loaded.stated.places, grey=loaded.spec.grey)
    statements = (*scaled_inside(loaded.module, (loaded.spec.channels, *loaded.spec.size)), *stated)
    if loaded.recovery is not None:
        labels, stated_by = loaded.recovery.labels, RECOVERED if loaded.recovery.labels else None
        statements = recorded_preprocessing(loaded.recovery.preprocess, RECOVERED)
    return Reference(
        spec=loaded.spec,
        module=loaded.module,
        weights=weights,
        source=loaded.source,
        origin=loaded.origin,
        keys=loaded.keys,
        sha256=loaded.sha256 or weights_digest(loaded.module),
        labels=labels,
        labels_stated_by=stated_by,
        notes=loaded.notes,
        statements=statements,
        recovery=loaded.recovery,
        original=loaded.original,
    )


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over the names and values of all tensors: what tells one live module from another."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    for part in (part for part in module.modules() if isinstance(part, GraphModule)):
        digest.update(part.code.encode())
    return digest.hexdigest()


def _bundled(name: str, size: Size | None, num_classes: int | None) -> Reference:
    path = bundled_checkpoint(name)
    loaded = load_checkpoint(path, model=name, size=size, num_classes=num_classes)
    return replace(
        _loaded("bundled", loaded),
        source=f"bundled:{BUNDLED[name]}",
        labels=bundled_class_names(),
        labels_stated_by="the bundled weights",
        notes=(),
    )


def _random(name: str, size: Size | None, num_classes: int | None, seed: int) -> Reference:
    spec = find_spec(name, size=size, num_classes=num_classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build_model(spec)
        randomise(module, spec.size)
    return Reference(
        spec=spec,
        module=module,
        weights="random",
        source=f"random:seed={seed}",
        origin="random",
        keys=len(module.state_dict()),
        sha256=None,
    )


RANDOM_IMAGES = 8


@torch.no_grad()
def randomise(module: nn.Module, size: Size) -> None:
    """Draws weights, batch norms and position biases at random, and sets running statistics to those of random images.

    A fresh M model ends each residual branch in a batch norm of weight 0: converters fold those branches away, and what is
    then measured is not the model. With arbitrary statistics a deep network forgets its input instead; with those of its own
    activations, and branches weaker than their shortcuts, it stays sensitive to every layer without being chaotic.
    """
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight)
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.2, 0.6)
        norm.bias.normal_(0, 0.2)
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the one batch below
    for name, parameter in module.named_parameters():
        if name.endswith("attention_biases"):
            parameter.normal_()
    module.train()(random_images(RANDOM_IMAGES, size))
    module.eval()
    for norm in norms:
        norm.momentum = 0.1
        if isinstance(
            norm, nn.BatchNorm1d
        ):  # pooled features of noise hardly vary; their own variance would magnify noise
            norm.reset_running_stats()


def random_images(count: int, size: Size) -> torch.Tensor:
    """(count, 3, H, W): noise of three scales, from whole-image tint to pixel. White noise alone would give smaller activations than
    photos do, and a network with its statistics would be saturated by them.
    """
    tint, patches = torch.randn(count, 3, 1, 1), torch.randn(count, 3, 4, 4)
    return tint + torch.nn.functional.interpolate(patches, size, mode="bilinear") + torch.randn(count, 3, *size) / 2


def at_size(reference: Reference, size: Size) -> Reference:
    """`reference` with the same weights for images of `size`. Where an M model's windows change, its bias tables are resized as
    its origin resizes them. Raises UsageError for a size that is not a multiple of 32.
    """
    if size == reference.spec.size:
        return reference
    if reference.original is not None:
        loaded = load_module(reference.original, size=size)
        if reference.bgr:
            turn_colors(loaded.module)
        return replace(reference, spec=replace(reference.spec, size=size), module=loaded.module)
    spec = replace(reference.spec, size=size)
    with torch.device("meta"):
        module = only(build_model(spec), spec, part_of(reference))
    antialias = all(layout.antialias for layout in LAYOUTS if layout.origin == reference.origin)
    expected = module.state_dict()
    state = {
        name: resized_bias_table(values, expected[name].shape[1], antialias=antialias)
        if name.endswith(BIAS_TABLE)
        else values
        for name, values in reference.module.state_dict().items()
    }
    module.load_state_dict(state, assign=True)
    return replace(reference, spec=spec, module=module.eval())


def part_of(reference: Reference) -> Part:
    """How much of its variant a reference from a file is."""
    if reference.spec.output is not Task.FEATURES:
        return Part.WHOLE
    return Part.TRUNK if isinstance(reference.module, nn.Sequential) else Part.EMBEDDING


def with_task(reference: Reference, task: Task | None) -> Reference:
    """`reference` with outputs that are read as `task` says, None for its own. Raises UsageError for what they cannot be."""
    if task is None or task is reference.spec.task:
        return reference
    if (task, reference.spec.task) != (Task.MULTILABEL, Task.CLASSIFICATION):
        raise UsageError(
            got=f"--task {task} for {reference.spec.name}, whose task is {reference.spec.task}",
            allowed=f"the model's own, or for a classifier {Task.MULTILABEL}",
            do="leave --task out",
        )
    return replace(reference, spec=replace(reference.spec, output=task))
