"""Checkpoints that a recovery wrote: a variation's weights, and in the file's metadata what it is and how it came about.

One safetensors file whose metadata has, under METADATA_KEY, a JSON object: `model`, `size`, `num_classes`, `eps` (of norms
and attention) and `recovery`, a Recovery. Tensors have timm's names, those that the variation adds have ours.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from converters.files import write_bytes
from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.findings import Likeness, Recovery
from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.layouts import own_layout
from evit_mobile.models.weights.match import Match, match_variant
from evit_mobile.models.weights.misfit import misfit
from evit_mobile.models.weights.template import template
from evit_mobile.spec import ModelSpec, Variation, find_spec

METADATA_KEY = "evit-mobile"


def recovered_bytes(spec: ModelSpec, module: nn.Module, recovery: Recovery) -> bytes:
    """The checkpoint of a recovered `module`, a reference model of `spec`."""
    record = {
        "model": spec.name,
        "size": spec.size,
        "num_classes": spec.num_classes,
        "eps": spec.architecture.eps,
        "recovery": dataclasses.asdict(recovery),
    }
    tensors = {name: tensor.detach().contiguous() for name, tensor in module.state_dict().items()}
    return safetensors.torch.save(tensors, metadata={METADATA_KEY: json.dumps(record)})


def write_recovered(path: Path, spec: ModelSpec, module: nn.Module, recovery: Recovery) -> None:
    """Writes the checkpoint atomically."""
    write_bytes(path, recovered_bytes(spec, module, recovery))


def read_recovery(path: Path) -> tuple[ModelSpec, Recovery] | None:
    """What a checkpoint says of its recovery; None for any other file. Raises CheckpointError for a damaged record."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
    except Exception:  # another format, or damaged: whoever reads the tensors says so
        return None
    if text is None:
        return None
    try:
        return _parsed(json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError, UsageError) as error:
        raise CheckpointError(
            got=f"{path}, whose record of its recovery cannot be read: {error}",
            allowed="a checkpoint that `evit-mobile convert` wrote",
            do="convert the original again",
        ) from error


def _parsed(record: dict[str, Any]) -> tuple[ModelSpec, Recovery]:
    fields = dict(record["recovery"])
    fields |= {name: Likeness(**fields[name]) for name in ("before", "after")}
    fields |= {name: tuple(fields[name]) for name in ("labels", "images", "steps")}
    recovery = Recovery(**{**fields, "variation": Variation(fields["variation"])})
    height, width = record["size"]
    spec = find_spec(record["model"], size=(height, width), num_classes=record["num_classes"])
    architecture = spec.architecture.with_eps({name: record["eps"][name] for name in spec.architecture.eps_at})
    return replace(spec, architecture=architecture, variation=recovery.variation), recovery


def match_recovered(spec: ModelSpec, state: Mapping[str, Tensor]) -> tuple[Layout, Match]:
    """Where the tensors of a recovered checkpoint of `spec` go. Raises CheckpointError when they are not its own."""
    layout = own_layout(spec.family)
    match = match_variant(template(spec.name, spec.variation), layout, state)
    if match.faults:
        raise misfit(match, layout, state)
    return layout, match


def check_request(spec: ModelSpec, *, model: str | None, size: tuple[int, int] | None, num_classes: int | None) -> None:
    """Raises CheckpointError when something else is asked for than was recovered."""
    asked = {"model": model, "size": size, "num_classes": num_classes}
    for name, value in asked.items():
        held = spec.name if name == "model" else getattr(spec, name)
        if value is not None and value != held:
            raise CheckpointError(
                got=f"{name.replace('_', ' ')} {value}, with weights recovered as {spec.title} for {held}",
                allowed="what the weights were recovered for",
                do="leave it out, or convert the original weights again",
            )
