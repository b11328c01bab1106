"""Which variant a state dict is of, and which of its keys goes where; or what is wrong with it, key by key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from evit_mobile.errors import CheckpointError
from evit_mobile.models.weights.bias_tables import BIAS_INDEX, BIAS_TABLE
from evit_mobile.models.weights.infer import inferred
from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.misfit import misfit
from evit_mobile.models.weights.template import (
    BATCH_COUNT,
    Part,
    Shape,
    Template,
    fits,
    template,
)
from evit_mobile.spec import MODELS


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One variant held against a state dict.

    `sources` maps our names to the file's keys. `folded` are the paths of norms that the file has folded into their
    layer. `missing` and `surplus` are the file's keys, or what they should be; `misshapen` are (key, shape, expected).
    """

    template: Template
    sources: dict[str, str]
    folded: frozenset[str]
    missing: tuple[str, ...]
    surplus: tuple[str, ...]
    misshapen: tuple[tuple[str, tuple[int, ...], Shape], ...]

    @property
    def faults(self) -> int:
        """Number of keys that do not fit."""
        return len(self.missing) + len(self.surplus) + len(self.misshapen)


def match_variant(candidate: Template, layout: Layout, state: Mapping[str, Tensor]) -> Match:
    """Holds one variant against `state`, whose keys have lost their prefix."""
    sources: dict[str, str] = {}
    folded: set[str] = set()
    for path, layer in candidate.folded.items():
        plain = layout.rename(f"{path}.{layer}.weight")
        together = plain.rsplit(".", 2)[0]
        if plain not in state and f"{together}.weight" in state:
            folded.add(path)
            sources[f"{path}.{layer}.weight"] = f"{together}.weight"
            sources[f"{path}.bn.bias" if layer == "conv" else f"{path}.linear.bias"] = f"{together}.bias"
    for name in candidate.shapes:
        if name in sources or (folded and _pair(name) in folded):
            continue
        key = layout.rename(name)
        if key in state or not name.endswith(BATCH_COUNT):
            sources[name] = key
    missing = [key for key in sources.values() if key not in state]
    known = {*sources.values(), *_indices(candidate, layout)}
    surplus = [key for key in state if key not in known]
    misshapen = [
        (key, tuple(state[key].shape), candidate.shapes[name])
        for name, key in sources.items()
        if key in state and not fits(state[key].shape, candidate.shapes[name])
    ]
    return Match(
        template=candidate,
        sources=sources,
        folded=frozenset(folded),
        missing=tuple(missing),
        surplus=tuple(surplus),
        misshapen=tuple(misshapen),
    )


def _pair(name: str) -> str:
    """Path of the pair of norm and layer that a parameter would belong to."""
    return name.rsplit(".", 2)[0]


def _indices(candidate: Template, layout: Layout) -> Iterator[str]:
    """Keys of the indices that belong to the variant's bias tables; older programs store them."""
    for name in candidate.shapes:
        if name.endswith(BIAS_TABLE):
            yield layout.rename(name).removesuffix(BIAS_TABLE) + BIAS_INDEX


def match_any(layout: Layout, state: Mapping[str, Tensor], model: str | None, *, part: Part = Part.WHOLE) -> Match:
    """The variant of the layout's family that `state` is of; of its trunk, whatever else the state may hold.

    Raises CheckpointError when no variant fits, or one other than `model`, the one asked for.
    """
    templates = {name: template(name) for name, spec in MODELS.items() if spec.family == layout.family}
    templates = {name: candidate.only(part) for name, candidate in templates.items()}
    if part is Part.TRUNK:
        inside = tuple(f"{path}." for path in layout.trunk) or ("",)
        state = {key: tensor for key, tensor in state.items() if key.startswith(inside)}
    matches = {name: match_variant(candidate, layout, state) for name, candidate in templates.items()}
    best = min(matches.values(), key=lambda match: match.faults)
    name = best.template.spec.name
    if model is not None and model != name and (best.faults == 0 or model not in matches):
        raise CheckpointError(
            got=f"--model {model}, with weights of {name} in {layout.origin} naming",
            allowed="weights of the model that is named",
            do=f"pass --model {name}, leave --model out, or pass weights of {model}",
        )
    chosen = best if model is None else matches[model]
    if not chosen.faults:
        return chosen
    pruned = with_own_widths(matches.values() if model is None else [chosen], layout, state)
    if pruned is None:
        raise misfit(chosen, layout, state)
    return pruned


def match_most(layout: Layout, state: Mapping[str, Tensor], model: str | None) -> Match:
    """The variant that `state` is of, or all of it but the layer for the logits, or its trunk; with nothing else in `state`.

    Raises CheckpointError as `match_any`.
    """
    try:
        return match_any(layout, state, model)
    except CheckpointError:
        for part in (Part.EMBEDDING, Part.TRUNK):
            found = match_part(layout, state, model, part)
            if found is not None:
                return found
        raise


def match_part(layout: Layout, state: Mapping[str, Tensor], model: str | None, part: Part) -> Match | None:
    """The variant that `state` is that part of, and nothing else; None where there is none."""
    inside = tuple(f"{path}." for path in layout.trunk) or ("",)
    if part is Part.TRUNK and not all(key.startswith(inside) for key in state):
        return None
    try:
        found = match_any(layout, state, model, part=part)
    except CheckpointError:
        return None
    return found if found.template.part is part else None


def with_own_widths(matches: Iterable[Match], layout: Layout, state: Mapping[str, Tensor]) -> Match | None:
    """The match of a variant whose names fit and whose shapes are those of other widths; None where there is none."""
    for match in sorted(matches, key=lambda match: match.faults):
        if match.missing or match.surplus:
            continue
        architecture = inferred(match.template.spec, match.sources, state)
        if architecture is None:
            continue
        candidate = match_variant(match.template.with_architecture(architecture), layout, state)
        if not candidate.faults:
            return candidate
    return None
