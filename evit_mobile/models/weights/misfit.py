"""What weights are that fit no variant, in words: the first kind below that they are of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.infer import inferred
from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.template import Shape, fits, in_head

if TYPE_CHECKING:
    from evit_mobile.models.weights.match import Match

NAMED = 3
"""How many keys of each kind an error names."""
LIVE = "pass the live module to evit_mobile.convert(module), which takes along what lies around the network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Weights without their prefix, and the variant that they are nearest to."""

    match: Match
    layout: Layout
    state: Mapping[str, Tensor]

    @property
    def variant(self) -> str:
        return self.match.template.spec.name


def misfit(match: Match, layout: Layout, state: Mapping[str, Tensor]) -> CheckpointError:
    """The error for weights that are of no variant."""
    case = Case(match=match, layout=layout, state=state)
    return next(error for look in KINDS if (error := look(case)) is not None)


BLOCK = re.compile(r"(?:.*\.)?(?:stages\.\d+\.(?:blocks|op_list)|blocks\d)\.\d+\.")
"""A block's path before the names in it: ours, MIT's or Microsoft's."""


SAM_PARTS = {"neck", "image_encoder", "mask_decoder", "prompt_encoder"}


def of_sam(case: Case) -> CheckpointError | None:
    """MIT's EfficientViT-SAM, whole or its encoder alone (efficientvit/models/efficientvit/sam.py@de7d773)."""
    parts = {part for key in case.match.surplus for part in key.split(".")} & SAM_PARTS
    if case.layout.origin != "mit" or not parts:
        return None
    what = "this is EfficientViT-SAM's encoder" if parts == {"neck"} else "this is EfficientViT-SAM"
    return CheckpointError(
        got=f"{what}: keys {_named(_quoted(case.match.surplus))}",
        allowed="a classifier, a segmentation model of MIT's, or a backbone alone",
        do="save the state dict of the encoder's backbone, whose last stage's features can be converted",
    )


def of_own_head(case: Case) -> CheckpointError | None:
    """The trunk is a variant's, the head is none of ours, under its name or beside it."""
    match = case.match
    lacking = [*match.missing, *(key for key, _, _ in match.misshapen)]
    inside, whole = (any(in_head(key) for key in keys) for keys in (match.surplus, lacking))
    if not match.surplus or not all(map(in_head, lacking)) or any(BLOCK.match(key) for key in match.surplus):
        return None
    if not (whole or inside):
        return None
    return CheckpointError(
        got=f"weights of {case.variant} with a head of its own: {_named(_quoted(match.surplus))}",
        allowed=f"the head of {case.variant} (such as {case.layout.rename(f'{match.template.classifier}.weight')!r}), or one linear layer, "
        "with a batch norm before it or without",
        do="a file does not say what such a head computes, such as activations between its layers: " + LIVE,
    )


def of_more_than_a_network(case: Case) -> CheckpointError | None:
    """A whole variant, and tensors of something around it."""
    if case.match.missing or case.match.misshapen:
        return None
    return CheckpointError(
        got=f"weights of {case.variant} and {len(case.match.surplus)} more: {_named(_quoted(case.match.surplus))}",
        allowed="the weights of one network",
        do=f"where they are part of the model, {LIVE}; else save the state dict of the network alone",
    )


def of_other_widths(case: Case) -> CheckpointError | None:
    """A variant's layers in widths that no architecture explains."""
    match = case.match
    if match.missing or match.surplus or len(match.misshapen) < 2:
        return None
    spec = match.template.spec
    found = inferred(spec, match.sources, case.state) or spec.architecture
    expected = match.template.with_architecture(found).shapes
    sources = {key: name for name, key in match.sources.items()}
    differing = [
        f"{stage} has {width} channels ({case.variant} {usual})"
        for stage, width, usual in zip(found.stages, found.widths, spec.architecture.widths, strict=True)
        if width != usual
    ]
    wrong = [
        f"{key!r} is {_shape(shape)} in place of {_shape(expected[name])}"
        for key, name in sources.items()
        if not fits(shape := tuple(case.state[key].shape), expected[name])
    ]
    return CheckpointError(
        got=f"none of the published widths: {'; '.join(differing) or 'inside its blocks'}; {_named(wrong)}",
        allowed="a variant's layers: all blocks of a stage in its width, which its heads divide, within each as many channels as it likes",
        do="prune so that what is added or joined stays of one width, or convert the model before it is pruned",
    )


def of_other_depths(case: Case) -> CheckpointError | None:
    """A variant with whole blocks more or fewer."""
    lacking, further = (
        {block[0] if (block := BLOCK.match(key)) else "" for key in keys}
        for keys in (case.match.missing, case.match.surplus)
    )
    if "" in lacking | further or case.match.misshapen:
        return None
    known = tuple(case.match.sources.values())
    if any(key.startswith(tuple(lacking)) for key in case.state if lacking):
        return None
    if any(key.startswith(tuple(further)) for key in known if further):
        return None
    named = [f"no {path.rstrip('.')!r}" for path in sorted(lacking)] + [
        f"{path.rstrip('.')!r}" for path in sorted(further)
    ]
    return CheckpointError(
        got=f"none of the published depths: nearest to {case.variant}, with {_named(named)}",
        allowed="as many blocks in each stage as a variant has; their widths may differ",
        do="convert the model with the blocks of its variant",
    )


def of_other_kinds(case: Case) -> CheckpointError:
    """Anything else, key by key."""
    parts = []
    if case.match.missing:
        missing = [_with_nearest(key, case.match.surplus) for key in case.match.missing[: NAMED + 1]]
        parts.append(f"{len(case.match.missing)} missing ({_named(missing)})")
    if case.match.surplus:
        parts.append(f"{len(case.match.surplus)} surplus ({_named(_quoted(case.match.surplus))})")
    if case.match.misshapen:
        shapes = [
            f"{key!r} is {_shape(got)} in place of {_shape(expected)}" for key, got, expected in case.match.misshapen
        ]
        parts.append(f"{len(case.match.misshapen)} misshapen ({_named(shapes)})")
    return CheckpointError(
        got=f"weights in {case.layout.origin} naming that are nearest to {case.match.template.spec.name}, with keys "
        + ", ".join(parts),
        allowed="the weights of one network, whole and with nothing else in between",
        do="save model.state_dict() of the network alone",
    )


KINDS: tuple[Callable[[Case], CheckpointError | None], ...] = (
    of_sam,
    of_own_head,
    of_other_depths,
    of_more_than_a_network,
    of_other_widths,
    of_other_kinds,
)


def _quoted(keys: Iterable[str]) -> list[str]:
    return [repr(key) for key in keys]


def _with_nearest(key: str, surplus: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(key, surplus, n=1, cutoff=0.7) if len(surplus) <= 200 else []
    return f"{key!r}" + (f", nearest in the file {nearest[0]!r}" if nearest else "")


def _named(items: list[str]) -> str:
    return "; ".join(items[:NAMED]) + ("; ..." if len(items) > NAMED else "")


def _shape(shape: Shape) -> str:
    return "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"
