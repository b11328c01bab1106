"""ModelSpec and the literal table of all variants. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from evit_mobile.errors import UsageError


class Family(StrEnum):
    """The two unrelated papers that carry the name EfficientViT."""

    MSRA = "msra"
    MIT = "mit"


class Variation(StrEnum):
    """Named changes of a model's function, made cheaper to run and recovered by distillation (evit_mobile/recovery)."""

    RELU_ATTENTION = "relu-attention"
    RELU_ACTIVATION = "relu-activation"

    @property
    def family(self) -> Family:
        """The family whose models have what the variation replaces."""
        return Family.MSRA if self is Variation.RELU_ATTENTION else Family.MIT


@dataclass(frozen=True, slots=True, kw_only=True)
class MsraArchitecture:
    """Microsoft M0-M5 (arXiv 2305.07027, table 1). Three stages; `window` is in feature cells."""

    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    heads: tuple[int, int, int]
    kernels: tuple[int, ...]
    key_dim: int = 16
    window: int = 7


class Task(StrEnum):
    """What a model's output is: logits of the image, of which the largest counts (of a single one the sign) or, with several labels,
    the sign of each; logits of each pixel of an eighth of its size; or features.
    """

    CLASSIFICATION = "classification"
    MULTILABEL = "multilabel"
    SEGMENTATION = "segmentation"
    FEATURES = "features"


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
class MitArchitecture:
    """MIT B0-B3 and L0-L3 (arXiv 2205.14756; mit-han-lab/efficientvit@de7d773). A stem and four stages.

    `head` is the widths of the two hidden layers of a classifier, a segmentation head, or None: then the output is the
    last stage's features.

    `attention_eps` is added to the attention's divisor: 1e-15 upstream, 1e-5 in timm's port.
    `norm_eps` comes from upstream's model zoo table: 1e-5 (B) or 1e-7 (L). `head_norm_eps` is that of the norm after the
    head's convolution: `norm_eps` upstream, 1e-5 in timm's port, which does not hand L's eps on to it.
    """

    widths: tuple[int, int, int, int, int]
    depths: tuple[int, int, int, int, int]
    head_dim: int
    head: tuple[int, int] | SegmentationHead | None
    large: bool = False
    attention_eps: float = 1e-5
    norm_eps: float = 1e-5
    head_norm_eps: float = 1e-5


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
    `grey` is whether it was trained on grey images, of which it takes three equal planes or a photo's colours.

    Raises UsageError for a size that is not a multiple of 32, no classes, a `variation` of the other family or of no classifier.
    """

    name: str
    architecture: MsraArchitecture | MitArchitecture
    size: tuple[int, int] = (224, 224)
    num_classes: int = 1000
    variation: Variation | None = None
    output: Task | None = None
    grey: bool = False

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.num_classes < 1:
            raise UsageError(
                got=f"{self.num_classes} classes", allowed="at least one class", do="pass --num-classes N with N >= 1"
            )
        if self.variation is not None and (self.variation.family, Task.CLASSIFICATION) != (self.family, self.task):
            names = [name for name, spec in CLASSIFIERS.items() if spec.family is self.variation.family]
            raise UsageError(
                got=f"--{self.variation} for {self.name}",
                allowed=f"--{self.variation} for {', '.join(names)}",
                do=f"leave --{self.variation} out, or convert one of these models",
            )

    @property
    def title(self) -> str:
        """Name of the variant and its variation, as in file names: "efficientvit_m0.relu-attention"."""
        return self.name if self.variation is None else f"{self.name}.{self.variation}"

    @property
    def family(self) -> Family:
        return Family.MSRA if isinstance(self.architecture, MsraArchitecture) else Family.MIT

    @property
    def published(self) -> bool:
        """Whether the widths are the variant's; eps depend on the origin."""
        usual = MODELS[self.name].architecture
        if isinstance(self.architecture, MitArchitecture) and isinstance(usual, MitArchitecture):
            mine = self.architecture
            usual = replace(
                usual, attention_eps=mine.attention_eps, norm_eps=mine.norm_eps, head_norm_eps=mine.head_norm_eps
            )
        return self.architecture == usual

    @property
    def task(self) -> Task:
        if self.output is not None:
            return self.output
        match self.architecture:
            case MitArchitecture(head=None):
                return Task.FEATURES
            case MitArchitecture(head=SegmentationHead()):
                return Task.SEGMENTATION
            case _:
                return Task.CLASSIFICATION


CLASSIFIERS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="efficientvit_m0",
            architecture=MsraArchitecture(
                widths=(64, 128, 192), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(5, 5, 5, 5)
            ),
        ),
        ModelSpec(
            name="efficientvit_m1",
            architecture=MsraArchitecture(
                widths=(128, 144, 192), depths=(1, 2, 3), heads=(2, 3, 3), kernels=(7, 5, 3, 3)
            ),
        ),
        ModelSpec(
            name="efficientvit_m2",
            architecture=MsraArchitecture(
                widths=(128, 192, 224), depths=(1, 2, 3), heads=(4, 3, 2), kernels=(7, 5, 3, 3)
            ),
        ),
        ModelSpec(
            name="efficientvit_m3",
            architecture=MsraArchitecture(
                widths=(128, 240, 320), depths=(1, 2, 3), heads=(4, 3, 4), kernels=(5, 5, 5, 5)
            ),
        ),
        ModelSpec(
            name="efficientvit_m4",
            architecture=MsraArchitecture(
                widths=(128, 256, 384), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(7, 5, 3, 3)
            ),
        ),
        ModelSpec(
            name="efficientvit_m5",
            architecture=MsraArchitecture(
                widths=(192, 288, 384), depths=(1, 3, 4), heads=(3, 3, 4), kernels=(7, 5, 3, 3)
            ),
        ),
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


def with_head(
    name: str, backbone: str, head: SegmentationHead | None, size: tuple[int, int], channels: int
) -> ModelSpec:
    """The spec of a classifier's backbone under another head with `channels` outputs."""
    architecture = CLASSIFIERS[backbone].architecture
    assert isinstance(architecture, MitArchitecture)
    return ModelSpec(name=name, architecture=replace(architecture, head=head), size=size, num_classes=channels)


SEGMENTERS: dict[str, ModelSpec] = {
    f"efficientvit_seg_{backbone}_{dataset}": with_head(
        f"efficientvit_seg_{backbone}_{dataset}", f"efficientvit_{backbone}", head, *DATASETS[dataset]
    )
    for (backbone, dataset), head in SEGMENTATION_HEADS.items()
}

L0 = ModelSpec(
    name="efficientvit_l0",
    architecture=MitArchitecture(
        widths=(32, 64, 128, 256, 512), depths=(1, 1, 1, 4, 4), head_dim=32, head=None, large=True, norm_eps=1e-7
    ),
    num_classes=512,
)
"""Upstream has it as a backbone alone."""

MODELS: dict[str, ModelSpec] = {**CLASSIFIERS, L0.name: L0, **SEGMENTERS}
"""Every variant."""


def find_spec(name: str, *, size: tuple[int, int] | None = None, num_classes: int | None = None) -> ModelSpec:
    """The variant called `name`, at another size or class count where given.

    Raises UsageError for a name that is not in the table or a size that is not a multiple of 32.
    """
    if name not in MODELS:
        raise UsageError(got=f"model {name!r}", allowed=", ".join(MODELS), do="run `evit-mobile models` for the table")
    spec = MODELS[name]
    return replace(
        spec,
        size=spec.size if size is None else size,
        num_classes=spec.num_classes if num_classes is None else num_classes,
    )
