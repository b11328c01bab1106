"""A module in memory becomes a reference model, and the two are compared by output before anything else happens."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.mit import EfficientViTMit
from evit_mobile.models.msra import PATCH_STRIDE, EfficientViTMsra
from evit_mobile.models.weights.assemble import assemble, target_spec, trained_size
from evit_mobile.models.weights.distilled import merge_distilled_head
from evit_mobile.models.weights.layouts import Layout, find_layout
from evit_mobile.models.weights.load import LoadedModel
from evit_mobile.models.weights.match import Match, match_any
from evit_mobile.models.weights.stated import module_places, read_stated
from evit_mobile.models.weights.template import HEAD
from evit_mobile.models.weights.unwrap import StateDict, as_size
from evit_mobile.spec import MitArchitecture, ModelSpec, Task

MAX_RELATIVE_ERROR = 1e-4
"""Of the outputs on random input: the largest difference, relative to the largest magnitude."""
DENSE_SIZE = (256, 256)
"""Where models with dense outputs are compared; their weights fit any size, and their own takes minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A private fp32 copy of the user's network, and what it is. `head` is its own head where it is none of ours."""

    network: nn.Module
    layout: Layout
    state: StateDict
    match: Match
    head: nn.Module | None
    notes: tuple[str, ...]


def load_module(module: nn.Module, *, model: str | None = None, size: tuple[int, int] | None = None) -> LoadedModel:
    """The reference model with the weights of `module`, an EfficientViT of timm, MIT or Microsoft, or our own.

    `module` may be wrapped (DataParallel, torch.compile, a Lightning module) and is left as it is. A head that is not
    the origin's stays as it is, in place of ours. Outputs are compared at the size that the module was made for; `size`
    (height, width) then resizes as `load_checkpoint` does.
    Raises CheckpointError when the module is none of these, or its outputs and the reference's differ by more than
    MAX_RELATIVE_ERROR.
    """
    origin = _examine(module, model)
    native = _native_size(origin.network)
    usable = native if native is not None and all(side % 32 == 0 for side in native) else None
    trained = trained_size(origin.match, origin.state, usable)
    task = origin.match.template.spec.task
    compared = (native or trained.size) if task is Task.CLASSIFICATION else DENSE_SIZE
    theirs = _run(origin.network, compared, task)
    spec = _spec(origin, trained.size, None, classes=theirs.shape[1])
    reference = _build(origin, spec)
    _compare(_run(reference, compared, task), theirs, spec)
    if size is not None and size != trained.size:
        spec = _spec(origin, trained.size, size, classes=theirs.shape[1])
        reference = _build(origin, spec)
    own = isinstance(origin.network, EfficientViTMit | EfficientViTMsra)
    return LoadedModel(
        spec=spec,
        module=reference,
        origin="evit-mobile" if own else origin.layout.origin,
        source="module",
        keys=len(origin.match.sources) + (len(origin.head.state_dict()) if origin.head is not None else 0),
        sha256=None,
        stated=read_stated(module_places(module), classes=theirs.shape[1]),
        notes=origin.notes,
    )


def _examine(module: nn.Module, model: str | None) -> Origin:
    layout, prefix = find_layout(module.state_dict())
    network = _copied(module.get_submodule(prefix.rstrip(".")))
    state, notes = merge_distilled_head(layout, network.state_dict())
    match, head = _match(network, layout, state, model)
    if head is not None:
        notes = (*notes, f"kept the module's own head, a {type(head).__name__}")
    return Origin(network=network, layout=layout, state=state, match=match, head=head, notes=notes)


def _match(network: nn.Module, layout: Layout, state: StateDict, model: str | None) -> tuple[Match, nn.Module | None]:
    """The variant of a network; failing that, the variant that it is but for the head, and its head."""
    try:
        return match_any(layout, state, model), None
    except CheckpointError:
        head = getattr(network, HEAD, None)
        if not layout.plain_head or not isinstance(head, nn.Module):
            raise
        return match_any(layout, state, model, own_head=True), head


def _copied(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network).float().cpu().eval()
    except Exception as error:  # the user's classes may fail in any way
        raise CheckpointError(
            got=f"a {type(network).__name__} that cannot be copied: {error}",
            allowed="a module that copy.deepcopy takes",
            do="save its state_dict and load that as a file",
        ) from error


def _native_size(network: nn.Module) -> tuple[int, int] | None:
    """Input size (height, width) that a module was made for, where it says so: M by its first attention, which
    Microsoft's code also asserts, B and L by timm's configuration.
    """
    for attention in network.modules():
        if hasattr(attention, "window_resolution") and isinstance(attention.resolution, int):
            return (attention.resolution * PATCH_STRIDE,) * 2
    configuration = getattr(network, "pretrained_cfg", None)
    return as_size(configuration.get("input_size")) if isinstance(configuration, dict) else None


def _spec(origin: Origin, trained: tuple[int, int], asked: tuple[int, int] | None, *, classes: int) -> ModelSpec:
    """The spec of the module with the eps that it has, whatever those of its origin are."""
    spec = target_spec(origin.match.template.spec, origin.layout, trained=trained, asked=asked, classes=classes)
    if not isinstance(spec.architecture, MitArchitecture):
        return spec
    architecture = replace(
        spec.architecture,
        attention_eps=_eps(origin, "stages.3.blocks.1.context_module.main", spec.architecture.attention_eps),
        norm_eps=_eps(origin, "stem.in_conv.norm", spec.architecture.norm_eps),
        head_norm_eps=_eps(origin, "head.in_conv.norm", spec.architecture.head_norm_eps),
    )
    return replace(spec, architecture=architecture)


def _eps(origin: Origin, path: str, default: float) -> float:
    """`eps` of the origin's module that is at `path` in ours; `default` where it has none."""
    theirs = origin.layout.rename(f"{path}.eps").removesuffix(".eps")
    module = dict(origin.network.named_modules()).get(theirs)
    return float(getattr(module, "eps", default))


def _build(origin: Origin, spec: ModelSpec) -> nn.Module:
    return assemble(origin.match, origin.layout, origin.state, spec, head=copy.deepcopy(origin.head))


def _run(network: nn.Module, size: tuple[int, int], task: Task) -> Tensor:
    """Output of a network on random input, (1, classes, ...). Raises CheckpointError where it fails or gives other."""
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            output = network(image)
    except Exception as error:  # the user's code may fail in any way
        raise CheckpointError(
            got=f"a {type(network).__name__} whose forward fails on (1, 3, {size[0]}, {size[1]}): {error}",
            allowed="a module that takes one batch of images",
            do="make its forward run in eval mode on the CPU",
        ) from error
    dimensions = 2 if task is Task.CLASSIFICATION else 4
    if not isinstance(output, Tensor) or output.ndim != dimensions or output.shape[0] != 1:
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise CheckpointError(
            got=f"a {type(network).__name__} that returns {shape} for one image",
            allowed="logits of shape (1, classes)"
            if dimensions == 2
            else "a map of shape (1, channels, height, width)",
            do="pass the network itself",
        )
    return output


def _compare(ours: Tensor, theirs: Tensor, spec: ModelSpec) -> None:
    if ours.shape == theirs.shape:
        error = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        if error <= MAX_RELATIVE_ERROR:
            return
        found = f"outputs that differ from the reference's by {error:.2e}, relative"
    else:
        found = f"outputs of shape {tuple(theirs.shape)} in place of {tuple(ours.shape)}"
    raise CheckpointError(
        got=f"a module with the weights of {spec.name} and {found}",
        allowed=f"the function of the original {spec.name}, to {MAX_RELATIVE_ERROR:g}",
        do="undo what the module's forward does beside the original, or pass the original module",
    )
