"""Widths of a pruned model, read off its tensors: one of the published variants in everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from evit_mobile.spec import MitArchitecture, ModelSpec, MsraArchitecture, SegmentationHead

HEAD_WIDTHS = ("head.in_conv.conv.weight", "head.classifier.0.weight")


def inferred(
    spec: ModelSpec, sources: Mapping[str, str], state: Mapping[str, Tensor]
) -> MsraArchitecture | MitArchitecture | None:
    """The architecture of `spec` with the widths that the tensors have, `sources` being our names of the keys in `state`; None where a
    name is absent or no model has such widths.
    """

    def side(name: str, axis: int = 0) -> int:
        return int(state[sources[name]].shape[axis])

    architecture = spec.architecture
    try:
        if isinstance(architecture, MsraArchitecture):
            found: MsraArchitecture | MitArchitecture = replace(
                architecture,
                widths=(
                    side("stages.0.blocks.0.dw0.m.conv.weight"),
                    side("stages.1.blocks.0.dw0.m.conv.weight"),
                    side("stages.2.blocks.0.dw0.m.conv.weight"),
                ),
                key_dim=side("stages.0.blocks.0.mixer.m.attn.dws.0.conv.weight"),
            )
        else:
            point = "stages.{}.blocks.0.main.point_conv.conv.weight"
            found = replace(
                architecture,
                widths=(
                    side("stem.in_conv.conv.weight"),
                    side(point.format(0)),
                    side(point.format(1)),
                    side(point.format(2)),
                    side(point.format(3)),
                ),
                head_dim=side("stages.3.blocks.1.context_module.main.aggreg.0.1.weight", 1),
                head=_head(architecture.head, sources, state),
            )
    except (KeyError, IndexError):
        return None
    return found if _possible(found) else None


def _head(
    head: tuple[int, int] | SegmentationHead | None, sources: Mapping[str, str], state: Mapping[str, Tensor]
) -> tuple[int, int] | SegmentationHead | None:
    match head:
        case SegmentationHead():
            return replace(head, width=int(state[sources["head.inputs.0.conv.weight"]].shape[0]))
        case None:
            return None
        case _ if HEAD_WIDTHS[0] not in sources:
            return head  # of a part without it
        case _:
            hidden, features = (int(state[sources[name]].shape[0]) for name in HEAD_WIDTHS)
            return hidden, features


def _possible(architecture: MsraArchitecture | MitArchitecture) -> bool:
    """Whether heads divide the widths that they attend in."""
    if isinstance(architecture, MsraArchitecture):
        divided = all(width % heads == 0 for width, heads in zip(architecture.widths, architecture.heads, strict=True))
        return divided and architecture.widths[0] >= 8 and architecture.key_dim > 0
    return architecture.head_dim > 0 and all(width % architecture.head_dim == 0 for width in architecture.widths[3:])
