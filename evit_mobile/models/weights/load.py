"""A weights file becomes a reference model: read, unwrap, recognise, match, assemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from converters.files import sha256
from evit_mobile.errors import CheckpointError
from evit_mobile.findings import Recovery
from evit_mobile.models.weights.adapt import channels_of, colour_notes, taking_rgb, without_training
from evit_mobile.models.weights.assemble import assemble, class_count, target_spec, trained_size
from evit_mobile.models.weights.bake import bake
from evit_mobile.models.weights.distilled import merge_distilled_head
from evit_mobile.models.weights.files import read_file
from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.layouts import find_layout
from evit_mobile.models.weights.match import Match, match_any, match_most
from evit_mobile.models.weights.own_head import remark, with_own_head
from evit_mobile.models.weights.recovered import check_request, match_recovered, read_recovery
from evit_mobile.models.weights.stated import NOTHING, Stated, file_places, read_stated
from evit_mobile.models.weights.template import BATCH_COUNT, Part
from evit_mobile.models.weights.unwrap import unwrap
from evit_mobile.spec import MODELS, ModelSpec, Task, is_published


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A reference model with weights from outside.

    `spec` is the variant as loaded: size, classes and the eps of its origin. `module` is fp32, in eval mode. `origin`
    is whose names the weights have: "timm", "mit", "msra" or "evit-mobile". `source` is a path, a hub reference with
    its commit, or "module". `keys` counts the tensors taken. `stated` is what comes with them. `notes` say what was decided on the
    way. `recovery` is that of a variation's weights. `original` is the private copy of a live module, None of what is read.
    """

    spec: ModelSpec
    module: nn.Module
    origin: str
    source: str
    keys: int
    sha256: str | None
    stated: Stated = NOTHING
    notes: tuple[str, ...] = ()
    recovery: Recovery | None = None
    original: nn.Module | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A state dict without its prefix, and what it is. `grey` is whether it was of a model that takes one channel, `channels` are those of
    the images that it takes now.
    """

    layout: Layout
    state: Mapping[str, Tensor]
    match: Match
    grey: bool
    channels: int
    notes: tuple[str, ...]


NAMED = 3
"""How many layers a remark names."""

PART_NOTES: dict[Part, tuple[str, ...]] = {
    Part.WHOLE: (),
    Part.EMBEDDING: ("no layer for logits in the file: gives the features before it",),
    Part.TRUNK: ("no head in the file: gives the last stage's features",),
}


def recognise(state: Mapping[str, Tensor], *, model: str | None) -> Recognised:
    """Finds origin, prefix and variant. Raises CheckpointError when `state` is of none, or not of `model`."""
    state, baked_notes = bake(state)
    state, left_notes = without_training(state)
    layout, prefix = find_layout(state)
    notes = [*baked_notes, *left_notes]
    if prefix:
        notes.append(f"removed the prefix {prefix!r} from every key")
    stripped = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    if len(stripped) != len(state):
        raise CheckpointError(
            got=f"keys both with and without the prefix {prefix!r}",
            allowed="one network",
            do="save the state dict of the one to convert",
        )
    merged, head_notes = merge_distilled_head(layout, stripped)
    channels = channels_of(layout, merged)
    taken, grey = taking_rgb(layout, merged)
    taken, match, own_notes = match_headed(layout, taken, model)
    outside = {key.rpartition(".")[0] for key in match.sources.values() if key in state and not key.startswith(prefix)}
    head_notes += own_notes or ((remark(outside),) if outside else ())
    notes += [*head_notes, *width_notes(match.template.spec), *PART_NOTES[match.template.part]]
    notes += colour_notes(grey, channels)
    return Recognised(layout=layout, state=taken, match=match, grey=grey, channels=channels, notes=tuple(notes))


def match_headed(
    layout: Layout, state: Mapping[str, Tensor], model: str | None
) -> tuple[Mapping[str, Tensor], Match, tuple[str, ...]]:
    """`match_most`, or where a linear layer of one's own is in the last one's place the whole variant with that; and a remark on it."""
    try:
        return state, match_most(layout, state, model), ()
    except CheckpointError:
        headed = with_own_head(layout, state)
        if headed is None:
            raise
    renamed, note = headed
    return renamed, match_any(layout, renamed, model), (note,)


def width_notes(spec: ModelSpec) -> tuple[str, ...]:
    """A remark on widths that are none of the published ones."""
    if is_published(spec):
        return ()
    notes = []
    architecture, published = spec.architecture, MODELS[spec.name].architecture
    own, usual = (one.in_words() for one in (architecture, published))
    differing = [f"{own[name]} in place of {usual[name]}" for name in own if own[name] != usual[name]]
    if differing:
        notes.append(f"pruned widths, read off the tensors: {'; '.join(differing)}")
    if layers := [f"{path} {count}" for path, count in architecture.hidden]:
        named = ", ".join(layers[:NAMED]) + (f" and {len(layers) - NAMED} more" if len(layers) > NAMED else "")
        notes.append(f"pruned within blocks, read off the tensors: {named}")
    return tuple(notes)


def load_checkpoint(
    path: Path,
    *,
    model: str | None = None,
    size: tuple[int, int] | None = None,
    num_classes: int | None = None,
    source: str | None = None,
) -> LoadedModel:
    """The reference model with the weights in `path`: timm's, MIT's or Microsoft's, or from a training with their code.

    Variant, classes and, where the file tells, the input size are read from the file; `model` and `num_classes` are
    only compared with it. `size` (height, width) resizes the bias tables of an M model where its windows change.
    Raises CheckpointError (see there) and UsageError for a size that is not a multiple of 32.
    """
    tree = read_file(path)
    unwrapped = unwrap(tree)
    recorded = read_recovery(path)
    if recorded is not None:
        spec, recovery = recorded
        check_request(spec, model=model, size=size, num_classes=num_classes)
        return load_recovered(path, unwrapped.state, spec, recovery, source or str(path))
    found = recognise(unwrapped.state, model=model)
    classes = class_count(found.match, found.state, num_classes)
    stated = read_stated(file_places(tree, path), classes=classes)
    trained = trained_size(found.match, found.state, stated.size)
    spec = target_spec(found.match.template.spec, found.layout, trained=trained.size, asked=size, classes=classes)
    headless = found.match.template.part is not Part.WHOLE
    spec = replace(spec, grey=found.grey, channels=found.channels, output=Task.FEATURES if headless else None)
    module = assemble(found.match, found.layout, found.state, spec)
    return LoadedModel(
        spec=spec,
        module=module,
        origin=found.layout.origin,
        source=source or str(path),
        keys=len(found.match.sources),
        sha256=sha256(path),
        stated=stated,
        notes=(
            *unwrapped.notes,
            *found.notes,
            *stored_notes(found.match, found.state),
            trained.note_at(spec),
            *stated.notes,
        ),
    )


def stored_notes(match: Match, state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Remarks on how the file keeps the tensors that are taken from it."""
    notes = []
    if match.folded:
        notes.append(f"{len(match.folded)} norms are folded into their layers in the file")
    kept = {state[key].dtype for name, key in match.sources.items() if not name.endswith(BATCH_COUNT)}
    others = sorted(str(dtype).removeprefix("torch.") for dtype in kept - {torch.float32})
    if others:
        notes.append(f"weights are stored as {', '.join(others)}; the reference computes in float32")
    return tuple(notes)


def load_recovered(
    path: Path, state: Mapping[str, Tensor], spec: ModelSpec, recovery: Recovery, source: str
) -> LoadedModel:
    """A variation's weights, `state`, that a recovery wrote. Raises CheckpointError when they are not those of `spec`."""
    layout, match = match_recovered(spec, state)
    class_count(match, state, spec.num_classes)
    return LoadedModel(
        spec=spec,
        module=assemble(match, layout, state, spec),
        origin="evit-mobile",
        source=source,
        keys=len(match.sources),
        sha256=sha256(path),
        recovery=recovery,
    )
