"""What a variant's state dict has to look like, read off its reference model without allocating it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import torch
from torch import nn

from evit_mobile.models.build import build_model
from evit_mobile.models.layers import ConvNorm, NormLinear
from evit_mobile.models.weights.bias_tables import BIAS_TABLE
from evit_mobile.spec import MODELS, Architecture, ModelSpec, Task, Variation

Shape = tuple[int | None, ...]
"""None stands for a dimension that the checkpoint decides: the class count, the entries of a bias table, or an image's channels."""

BATCH_COUNT = "num_batches_tracked"


class Part(StrEnum):
    """How much of a network there is: all of it, all but the layer that gives the logits, or the trunk up to the last stage's features."""

    WHOLE = "whole"
    EMBEDDING = "embedding"
    TRUNK = "trunk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Names and shapes of one variant.

    `folded` maps each pair of a norm and a convolution or linear layer, by its path, to the name of the layer in it:
    an origin may have folded the norm into the layer and keep one weight and one bias. `classifier` is the path of the
    layer that gives the logits, None where there is none. `part` is what the names are of.
    """

    spec: ModelSpec
    shapes: dict[str, Shape]
    folded: dict[str, str]
    classifier: str | None
    part: Part = Part.WHOLE

    def with_architecture(self, architecture: Architecture) -> Template:
        """The same template for other widths."""
        features = self.spec.task is Task.FEATURES
        classes = architecture.channels if features else self.spec.num_classes
        return template_of(replace(self.spec, architecture=architecture, num_classes=classes)).only(self.part)

    @property
    def features(self) -> int:
        """Channels of what a part gives that has no layer for logits."""
        architecture = self.spec.architecture
        return architecture.embedding if self.part is Part.EMBEDDING else architecture.channels

    def only(self, part: Part) -> Template:
        """The template of a part of the network."""
        if part is Part.WHOLE or self.classifier is None:
            return self
        left = HEAD if part is Part.TRUNK else self.spec.architecture.classifier
        shapes = {name: shape for name, shape in self.shapes.items() if not name.startswith(f"{left}.")}
        folded = {path: layer for path, layer in self.folded.items() if path != left}
        return replace(self, shapes=shapes, folded=folded, classifier=None, part=part)


HEAD = "head"


def in_head(name: str) -> bool:
    """Whether a name, ours or any origin's, belongs to the head."""
    return name.startswith(f"{HEAD}.")


def only(module: nn.Module, spec: ModelSpec, part: Part) -> nn.Module:
    """The part of a reference model of `spec`: (B, 3, H, W) -> its output, (B, features) or (B, C, h, w)."""
    if part is Part.TRUNK:
        return nn.Sequential(OrderedDict((name, child) for name, child in module.named_children() if name != HEAD))
    if part is Part.EMBEDDING:
        module.set_submodule(spec.architecture.classifier, nn.Identity())
    return module


def template(name: str, variation: Variation | None = None) -> Template:
    """The template of one variant, or of its variation."""
    return template_of(replace(MODELS[name], variation=variation))


@lru_cache(maxsize=2 * len(MODELS))
def template_of(spec: ModelSpec) -> Template:
    """The template of the model that `spec` describes."""
    with torch.device("meta"):
        model = build_model(spec)
    layers = [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    first = next(path for path, module in model.named_modules() if isinstance(module, nn.Conv2d))
    classifier = None if spec.task is Task.FEATURES else layers[-1]
    folded = {
        path: "conv" if isinstance(module, ConvNorm) else "linear"
        for path, module in model.named_modules()
        if isinstance(module, ConvNorm | NormLinear)
    }
    return Template(
        spec=spec,
        shapes={key: _shape(key, tensor, first, classifier) for key, tensor in model.state_dict().items()},
        folded=folded,
        classifier=classifier,
    )


def _shape(key: str, tensor: torch.Tensor, first: str, classifier: str | None) -> Shape:
    shape = tuple(tensor.shape)
    if classifier is not None and key.startswith(classifier + "."):
        return None, *shape[1:]
    if key.endswith(BIAS_TABLE):
        return shape[0], None
    if key == f"{first}.weight":
        return shape[0], None, *shape[2:]
    return shape


def fits(shape: tuple[int, ...], expected: Shape) -> bool:
    """Whether a tensor of `shape` can take the place of `expected`. 1x1 convolutions may be stored as (out, in):
    Microsoft's releases are, and its build.py adds the two dimensions on loading.
    """
    if shape == expected:
        return True
    if len(shape) == 2 and expected[2:] == (1, 1):
        expected = expected[:2]
    return len(shape) == len(expected) and all(
        s > 0 if e is None else s == e for s, e in zip(shape, expected, strict=True)
    )
