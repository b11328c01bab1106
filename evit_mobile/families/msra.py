"""Microsoft's EfficientViT M0-M5: cascaded group attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from evit_mobile.families.architecture import Architecture, ModelSpec, Side, Variation


@dataclass(frozen=True, slots=True, kw_only=True)
class MsraArchitecture(Architecture):
    """Microsoft M0-M5 (arXiv 2305.07027, table 1). Three stages; `window` is in feature cells."""

    family: ClassVar[str] = "msra"
    classifier: ClassVar[str] = "head"
    stages: ClassVar[tuple[str, ...]] = ("stage 1", "stage 2", "stage 3")
    variations: ClassVar[tuple[Variation, ...]] = (Variation.RELU_ATTENTION,)

    widths: tuple[int, int, int]
    depths: tuple[int, int, int]
    heads: tuple[int, int, int]
    kernels: tuple[int, ...]
    key_dim: int = 16
    window: int = 7

    def with_widths_of(self, side: Side) -> Self:
        return replace(
            self,
            widths=(
                side("stages.0.blocks.0.dw0.m.conv.weight"),
                side("stages.1.blocks.0.dw0.m.conv.weight"),
                side("stages.2.blocks.0.dw0.m.conv.weight"),
            ),
            key_dim=side("stages.0.blocks.0.mixer.m.attn.dws.0.conv.weight"),
        )

    def in_words(self) -> dict[str, str]:
        return {
            **Architecture.in_words(self),
            "key_dim": f"keys of {self.key_dim} channels (attention scaled by {self.key_dim}**-0.5)",
        }

    @property
    def possible(self) -> bool:
        """Whether heads divide the widths that they attend in."""
        divided = all(width % heads == 0 for width, heads in zip(self.widths, self.heads, strict=True))
        return divided and self.widths[0] >= 8 and self.key_dim > 0


VARIANTS = (
    ModelSpec(
        name="efficientvit_m0",
        architecture=MsraArchitecture(widths=(64, 128, 192), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(5, 5, 5, 5)),
    ),
    ModelSpec(
        name="efficientvit_m1",
        architecture=MsraArchitecture(widths=(128, 144, 192), depths=(1, 2, 3), heads=(2, 3, 3), kernels=(7, 5, 3, 3)),
    ),
    ModelSpec(
        name="efficientvit_m2",
        architecture=MsraArchitecture(widths=(128, 192, 224), depths=(1, 2, 3), heads=(4, 3, 2), kernels=(7, 5, 3, 3)),
    ),
    ModelSpec(
        name="efficientvit_m3",
        architecture=MsraArchitecture(widths=(128, 240, 320), depths=(1, 2, 3), heads=(4, 3, 4), kernels=(5, 5, 5, 5)),
    ),
    ModelSpec(
        name="efficientvit_m4",
        architecture=MsraArchitecture(widths=(128, 256, 384), depths=(1, 2, 3), heads=(4, 4, 4), kernels=(7, 5, 3, 3)),
    ),
    ModelSpec(
        name="efficientvit_m5",
        architecture=MsraArchitecture(widths=(192, 288, 384), depths=(1, 3, 4), heads=(3, 3, 4), kernels=(7, 5, 3, 3)),
    ),
)
