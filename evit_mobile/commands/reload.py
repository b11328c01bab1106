"""The reference of a manifest, found again."""

from __future__ import annotations

from torch import nn

from evit_mobile.errors import UsageError
from evit_mobile.images.preprocessing import PreprocessOptions
from evit_mobile.record.manifest import ModelEntry
from evit_mobile.reference import Reference, Size, load_reference, with_task


def reload_reference(
    model: ModelEntry, size: Size, weights: str | None = None, module: nn.Module | None = None
) -> Reference:
    """The reference that a manifest's "model" entry describes, for images of `size` = (height, width) pixels.

    `weights` overrides where they are looked for; `module` is the live module that was converted. Raises UsageError when they cannot be
    found again or are others.
    """
    if module is not None:
        return _same_module(model, size, module)
    kind, source = model.weights, model.source
    if kind == "module" and (weights is None or model.around is not None):
        raise UsageError(
            got="a manifest of a live module, "
            + ("of which a file holds a part" if model.around else "whose weights are not on disk"),
            allowed="the same module" if model.around else "the same module, or its weights as a checkpoint",
            do="call evit_mobile.validate(PATH, model=module) from Python"
            + ("" if model.around else ", or save its state dict and pass --weights FILE"),
        )
    seed = int(source.rpartition("=")[2]) if kind == "random" else 0
    found = {"file": source, "hub": source, "random": "random"}.get(kind, "bundled") if weights is None else weights
    reference = load_reference(
        model.name,
        weights=found,
        size=size,
        num_classes=model.num_classes,
        seed=seed,
        preprocess=PreprocessOptions(color=model.color),
    )
    if weights is None and reference.sha256 != model.weights_sha256:
        raise UsageError(
            got=f"weights at {source} that are not those of the manifest",
            allowed=f"sha256 {model.weights_sha256}",
            do="restore the checkpoint, or convert again",
        )
    if reference.spec.variation != model.variation:
        raise UsageError(
            got=f"weights of {reference.spec.title} for artefacts of {model.name}.{model.variation or 'the original'}",
            allowed="the weights that were converted",
            do="pass those as --weights FILE",
        )
    return with_task(reference, model.task)


def _same_module(model: ModelEntry, size: Size, module: nn.Module) -> Reference:
    """The reference that `module` gives. Raises UsageError where it is not the one that a manifest's "model" entry describes."""
    reference = load_reference(module, size=size, preprocess=PreprocessOptions(color=model.color))
    reference = with_task(reference, model.task)
    if model.weights == "module" and reference.sha256 != model.weights_sha256:
        raise UsageError(
            got=f"a {type(module).__name__} that is not the module of the manifest",
            allowed=f"one whose tensors and function have the digest {model.weights_sha256}",
            do="pass the module that was converted, with its weights, or convert again",
        )
    return reference
