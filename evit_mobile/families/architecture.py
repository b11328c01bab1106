"""What a variant is, whatever its family: architecture, task, size, classes. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Self

from evit_mobile.errors import UsageError

Side = Callable[..., int]
"""(name of a tensor as our models have it, axis=0) -> its size there. Raises KeyError where there is no such tensor."""


class Variation(StrEnum):
    """Named changes of a model's function, made cheaper to run and recovered by distillation (evit_mobile/recovery)."""

    RELU_ATTENTION = "relu-attention"
    RELU_ACTIVATION = "relu-activation"

    @property
    def models(self) -> str:
        """The classifiers that have what the variation replaces."""
        if self is Variation.RELU_ATTENTION:
            return "efficientvit_m0 to efficientvit_m5"
        return "efficientvit_b0 to efficientvit_b3 and efficientvit_l1 to efficientvit_l3"


class Task(StrEnum):
    """What a model's output is: logits of the image, of which the largest counts (of a single one the sign) or, with several labels,
    the sign of each; logits of each pixel of an eighth of its size; or features.
    """

    CLASSIFICATION = "classification"
    MULTILABEL = "multilabel"
    SEGMENTATION = "segmentation"
    FEATURES = "features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture(ABC):
    """All of a variant but its input size and its classes. A family's own class adds depths and the like; `widths` are the channels of
    what `stages` names.
    """

    family: ClassVar[str]
    """Name of the row in FAMILIES."""

    classifier: ClassVar[str]
    """Path of what gives the logits in the reference model, with the norm before it where the two are a pair."""

    stages: ClassVar[tuple[str, ...]]
    """What has widths of its own, in words."""

    variations: ClassVar[tuple[Variation, ...]] = ()
    """What its classifiers can be varied in."""

    eps_at: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Fields that are the eps of a norm or the like, and the path of a module of the reference model that has it. Two origins of the
    same variant may differ by them."""

    widths: tuple[int, ...]
    hidden: tuple[tuple[str, int], ...] = ()
    """Channels within blocks, by the path of the layer that gives them, where they are not as many as the stage's width makes them."""

    @property
    def task(self) -> Task:
        """What the output is, unless the request says otherwise."""
        return Task.CLASSIFICATION

    @property
    def channels(self) -> int:
        """Channels of the last stage's features."""
        return self.widths[-1]

    @property
    def embedding(self) -> int:
        """Features that the layer for the logits reads."""
        return self.channels

    @property
    def eps(self) -> dict[str, float]:
        """Each eps by the name of its field."""
        return {name: getattr(self, name) for name in self.eps_at}

    def with_eps(self, eps: Mapping[str, float]) -> Self:
        """The same with another eps for some fields."""
        changed: dict[str, Any] = {name: float(eps[name]) for name in eps}
        return replace(self, **changed)

    def in_words(self) -> dict[str, str]:
        """The widths that `with_widths_of` reads off tensors, in words, by a name for each."""
        return {"widths": ", ".join(map(str, self.widths))}

    @abstractmethod
    def with_widths_of(self, side: Side) -> Self:
        """The same with the widths that tensors have, as pruning leaves them. Raises KeyError or IndexError for tensors that lack what
        tells.
        """

    @property
    @abstractmethod
    def possible(self) -> bool:
        """Whether a model can have these widths."""


def check_size(size: tuple[int, int]) -> None:
    """Raises UsageError for a (height, width) in pixels that is not a multiple of 32."""
    if any(side <= 0 or side % 32 for side in size):
        raise UsageError(
            got=f"input size {size[0]}x{size[1]}",
            allowed="height and width that are positive multiples of 32",
            do="pass for example --size 224",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One variant at one input size and class count. `size` is (height, width) in pixels; of a model that gives features,
    `num_classes` is their channels. `output` is what its outputs are read as, None for what the architecture gives.
    `grey` is whether it was trained on grey images, of which it takes three equal planes or a photo's colours. `channels` are those of an
    image, 3, or 4 where a further one comes with the colours.

    Raises UsageError for a size that is not a multiple of 32, no classes, a `variation` of another family or of no classifier.
    """

    name: str
    architecture: Architecture
    size: tuple[int, int] = (224, 224)
    num_classes: int = 1000
    variation: Variation | None = None
    output: Task | None = None
    grey: bool = False
    channels: int = 3

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.num_classes < 1:
            raise UsageError(
                got=f"{self.num_classes} classes", allowed="at least one class", do="pass --num-classes N with N >= 1"
            )
        known = self.architecture.variations if self.task is Task.CLASSIFICATION else ()
        if self.variation is not None and self.variation not in known:
            raise UsageError(
                got=f"--{self.variation} for {self.name}",
                allowed=f"--{self.variation} for {self.variation.models}",
                do=f"leave --{self.variation} out, or convert one of these models",
            )

    @property
    def title(self) -> str:
        """Name of the variant and its variation, as in file names: "efficientvit_m0.relu-attention"."""
        return self.name if self.variation is None else f"{self.name}.{self.variation}"

    @property
    def family(self) -> str:
        """Name of its family, as in manifests."""
        return self.architecture.family

    @property
    def task(self) -> Task:
        return self.architecture.task if self.output is None else self.output
