"""MIT's EfficientViT B0-B3 and L0-L3: multi-scale ReLU linear attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar, Self

from evit_mobile.families.architecture import Architecture, ModelSpec, Side, Task, Variation


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationHead:
    """MIT's segmentation head: the last three stages brought to `width` channels and an eighth of the image, summed, and
    `depth` inverted residuals. `final_expansion` is that of a 1x1 convolution before the classes, None without one.
    """

    width: int
    depth: int
    expansion: int
    final_expansion: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MitArchitecture(Architecture):
    """MIT B0-B3 and L0-L3 (arXiv 2205.14756; mit-han-lab/efficientvit@de7d773). A stem and four stages.

    `head` is the widths of the two hidden layers of a classifier, a segmentation head, or None: then the output is the
    last stage's features.

    `attention_eps` is added to the attention's divisor: 1e-15 upstream, 1e-5 in timm's port.
    `norm_eps` comes from upstream's model zoo table: 1e-5 (B) or 1e-7 (L). `head_norm_eps` is that of the norm after the
    head's convolution: `norm_eps` upstream, 1e-5 in timm's port, which does not hand L's eps on to it.
    """

    family: ClassVar[str] = "mit"
    classifier: ClassVar[str] = "head.classifier.4"
    stages: ClassVar[tuple[str, ...]] = ("stem", "stage 1", "stage 2", "stage 3", "stage 4")
    variations: ClassVar[tuple[Variation, ...]] = (Variation.RELU_ACTIVATION,)
    eps_at: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "attention_eps": "stages.3.blocks.1.context_module.main",
            "norm_eps": "stem.in_conv.norm",
            "head_norm_eps": "head.in_conv.norm",
        }
    )

    widths: tuple[int, int, int, int, int]
    depths: tuple[int, int, int, int, int]
    head_dim: int
    head: tuple[int, int] | SegmentationHead | None
    large: bool = False
    attention_eps: float = 1e-5
    norm_eps: float = 1e-5
    head_norm_eps: float = 1e-5

    @property
    def task(self) -> Task:
        match self.head:
            case None:
                return Task.FEATURES
            case SegmentationHead():
                return Task.SEGMENTATION
            case _:
                return Task.CLASSIFICATION

    @property
    def embedding(self) -> int:
        assert isinstance(self.head, tuple)
        return self.head[1]

    def with_widths_of(self, side: Side) -> Self:
        point = "stages.{}.blocks.0.main.point_conv.conv.weight"
        return replace(
            self,
            widths=(
                side("stem.in_conv.conv.weight"),
                side(point.format(0)),
                side(point.format(1)),
                side(point.format(2)),
                side(point.format(3)),
            ),
            head_dim=side("stages.3.blocks.1.context_module.main.aggreg.0.1.weight", 1),
            head=self._head_of(side),
        )

    def _head_of(self, side: Side) -> tuple[int, int] | SegmentationHead | None:
        match self.head:
            case None:
                return None
            case SegmentationHead():
                return replace(self.head, width=side("head.inputs.0.conv.weight"))
        try:
            hidden = side("head.in_conv.conv.weight")
        except KeyError:
            return self.head  # of a part without it
        return hidden, side("head.classifier.0.weight")

    def in_words(self) -> dict[str, str]:
        return {
            **Architecture.in_words(self),
            "head_dim": f"heads of {self.head_dim} channels",
            "head": f"a head of {self._head_widths}",
        }

    @property
    def _head_widths(self) -> str:
        match self.head:
            case None:
                return "no layers"
            case SegmentationHead():
                return f"{self.head.width} channels"
        return f"{self.head[0]} and {self.head[1]} channels"

    @property
    def possible(self) -> bool:
        """Whether the stages that attend have room for a head."""
        return 0 < self.head_dim <= min(self.widths[3:])


CLASSIFIERS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="efficientvit_b0",
            architecture=MitArchitecture(
                widths=(8, 16, 32, 64, 128), depths=(1, 2, 2, 2, 2), head_dim=16, head=(1024, 1280)
            ),
        ),
        ModelSpec(
            name="efficientvit_b1",
            architecture=MitArchitecture(
                widths=(16, 32, 64, 128, 256), depths=(1, 2, 3, 3, 4), head_dim=16, head=(1536, 1600)
            ),
        ),
        ModelSpec(
            name="efficientvit_b2",
            architecture=MitArchitecture(
                widths=(24, 48, 96, 192, 384), depths=(1, 3, 4, 4, 6), head_dim=32, head=(2304, 2560)
            ),
        ),
        ModelSpec(
            name="efficientvit_b3",
            architecture=MitArchitecture(
                widths=(32, 64, 128, 256, 512), depths=(1, 4, 6, 6, 9), head_dim=32, head=(2304, 2560)
            ),
        ),
        ModelSpec(
            name="efficientvit_l1",
            architecture=MitArchitecture(
                widths=(32, 64, 128, 256, 512),
                depths=(1, 1, 1, 6, 6),
                head_dim=32,
                head=(3072, 3200),
                large=True,
                norm_eps=1e-7,
            ),
        ),
        ModelSpec(
            name="efficientvit_l2",
            architecture=MitArchitecture(
                widths=(32, 64, 128, 256, 512),
                depths=(1, 2, 2, 8, 8),
                head_dim=32,
                head=(3072, 3200),
                large=True,
                norm_eps=1e-7,
            ),
        ),
        ModelSpec(
            name="efficientvit_l3",
            architecture=MitArchitecture(
                widths=(64, 128, 256, 512, 1024),
                depths=(1, 2, 2, 8, 8),
                head_dim=32,
                head=(6144, 6400),
                large=True,
                norm_eps=1e-7,
            ),
        ),
    )
}

L0 = ModelSpec(
    name="efficientvit_l0",
    architecture=MitArchitecture(
        widths=(32, 64, 128, 256, 512), depths=(1, 1, 1, 4, 4), head_dim=32, head=None, large=True, norm_eps=1e-7
    ),
    num_classes=512,
)
"""Upstream has it as a backbone alone."""

DATASETS = {"cityscapes": ((1024, 2048), 19), "ade20k": ((512, 512), 150)}
"""Input size (height, width) and classes of the segmentation models."""

SEGMENTATION_HEADS = {
    ("b0", "cityscapes"): SegmentationHead(width=32, depth=1, expansion=4, final_expansion=4),
    ("b1", "cityscapes"): SegmentationHead(width=64, depth=3, expansion=4, final_expansion=4),
    ("b2", "cityscapes"): SegmentationHead(width=96, depth=3, expansion=4, final_expansion=4),
    ("b3", "cityscapes"): SegmentationHead(width=128, depth=3, expansion=4, final_expansion=4),
    ("l1", "cityscapes"): SegmentationHead(width=256, depth=3, expansion=1, final_expansion=None),
    ("l2", "cityscapes"): SegmentationHead(width=256, depth=5, expansion=1, final_expansion=None),
    ("b1", "ade20k"): SegmentationHead(width=64, depth=3, expansion=4, final_expansion=None),
    ("b2", "ade20k"): SegmentationHead(width=96, depth=3, expansion=4, final_expansion=None),
    ("b3", "ade20k"): SegmentationHead(width=128, depth=3, expansion=4, final_expansion=None),
    ("l1", "ade20k"): SegmentationHead(width=128, depth=3, expansion=4, final_expansion=8),
    ("l2", "ade20k"): SegmentationHead(width=128, depth=3, expansion=4, final_expansion=8),
}
"""By backbone and dataset: mit-han-lab/efficientvit efficientvit/models/efficientvit/seg.py@de7d773."""


def segmenter(backbone: str, dataset: str) -> ModelSpec:
    """The spec of a classifier's backbone under the head of a dataset."""
    size, classes = DATASETS[dataset]
    architecture = CLASSIFIERS[f"efficientvit_{backbone}"].architecture
    assert isinstance(architecture, MitArchitecture)
    return ModelSpec(
        name=f"efficientvit_seg_{backbone}_{dataset}",
        architecture=replace(architecture, head=SEGMENTATION_HEADS[backbone, dataset]),
        size=size,
        num_classes=classes,
    )


VARIANTS = (*CLASSIFIERS.values(), L0, *(segmenter(*one) for one in SEGMENTATION_HEADS))


def crops_like(spec: ModelSpec) -> str | None:
    """timm has neither L0 nor segmentation: these see the whole image, as upstream, up to the margins that the input's aspect ratio cuts
    off.
    """
    assert isinstance(spec.architecture, MitArchitecture)
    return None if spec.architecture.large or spec.task is Task.SEGMENTATION else "efficientvit_b1"
