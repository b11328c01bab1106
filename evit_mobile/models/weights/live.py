"""A module in memory becomes a reference model, and the two are compared by output before anything else happens.

The module that was passed is the reference, all of it: what lies before and behind the EfficientViT in it comes along, or it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from evit_mobile.errors import CheckpointError
from evit_mobile.models.mit import EfficientViTMit
from evit_mobile.models.msra import PATCH_STRIDE, EfficientViTMsra
from evit_mobile.models.surroundings import Surrounded
from evit_mobile.models.surroundings.baked import baked
from evit_mobile.models.surroundings.describe import account, has_layers, keeps_classes, keeps_images
from evit_mobile.models.surroundings.leaf import NotCalledError, standing_in
from evit_mobile.models.surroundings.naming import named
from evit_mobile.models.surroundings.outermost import outermost
from evit_mobile.models.surroundings.outputs import OneOutput
from evit_mobile.models.surroundings.trace import traced
from evit_mobile.models.weights.adapt import TRAINING, channels_of, colour_notes, taking_rgb
from evit_mobile.models.weights.assemble import assemble, target_spec, trained_size
from evit_mobile.models.weights.distilled import merge_distilled_head
from evit_mobile.models.weights.layout import Layout
from evit_mobile.models.weights.layouts import find_layout
from evit_mobile.models.weights.load import LoadedModel, width_notes
from evit_mobile.models.weights.match import Match, match_any
from evit_mobile.models.weights.stated import Stated, module_places, read_stated
from evit_mobile.models.weights.template import Part
from evit_mobile.models.weights.trained_size import TrainedSize
from evit_mobile.models.weights.unwrap import StateDict, as_size
from evit_mobile.spec import ModelSpec, Task

MAX_RELATIVE_ERROR = 1e-4
"""Of the outputs on random input: the largest difference, relative to the largest magnitude."""
NUDGE = 2.0**-20
"""A relative change of an image, of a few roundings in fp32."""
DENSE_SIZE = (256, 256)
"""Where models with dense outputs are compared; their weights fit any size, and their own takes minutes."""
INPUTS: tuple[tuple[float, float], ...] = ((0.0, 1.0), (0.5, 0.25), (-2.0, 0.5))
"""Mean and spread of the random images that are compared: a module that scales its input answers each differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A private fp32 copy of what was `passed`, the outermost `module` in it that has a forward, and the EfficientViT in that, which takes
    images of so many `channels`.
    """

    passed: nn.Module
    module: nn.Module
    network: nn.Module
    layout: Layout
    state: StateDict
    grey: bool
    channels: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A reference that gives what the module gives."""

    match: Match
    spec: ModelSpec
    module: nn.Module
    trained: TrainedSize


def load_module(module: nn.Module, *, model: str | None = None, size: tuple[int, int] | None = None) -> LoadedModel:
    """The reference model with the weights and the function of `module`: an EfficientViT of timm, MIT or Microsoft, or our own, or a
    module around one.

    `module` is left as it is. Wrappers that only say how to run it (DataParallel, torch.compile, a Lightning module without a forward)
    are looked through; what a forward does before the network and behind it becomes part of the reference. Outputs are compared at the
    size that the network was made for; `size` (height, width) then resizes as `load_checkpoint` does.
    Raises CheckpointError when there is no EfficientViT in the module, when what lies around it has no place in a file, or when outputs
    and the reference's differ by more than MAX_RELATIVE_ERROR.
    """
    origin = examine(module)
    found = recognised(origin, model)
    spec, reference = found.spec, found.module
    if size is not None and size != found.trained.size:
        resized = _spec(origin, found.match, found.trained.size, size)
        spec = replace(spec, architecture=resized.architecture, size=resized.size)
        reference = build(origin, found.match, resized, spec.channels)
    own = isinstance(origin.network, EfficientViTMit | EfficientViTMsra)
    stated = stated_with(origin, reference, spec.num_classes)
    return LoadedModel(
        spec=spec,
        module=reference,
        origin="evit-mobile" if own else origin.layout.origin,
        source="module",
        keys=len(reference.state_dict()),
        sha256=None,
        stated=stated,
        notes=(
            *origin.notes,
            *width_notes(spec),
            found.trained.note_at(spec),
            *account(reference, origin.module),
            *stated.notes,
        ),
        original=origin.passed,
    )


def stated_with(origin: Origin, reference: nn.Module, classes: int) -> Stated:
    """What the module states of its classes and its images. What the network within states holds for its own: not where the module gives
    it other images than it takes, or makes other classes of its own.
    """
    everywhere, around = module_places(origin.passed), module_places(origin.passed, apart_from=origin.network)
    found = read_stated(everywhere if keeps_classes(reference) else around, classes=classes)
    return replace(found, places=everywhere if keeps_images(reference) else around)


def examine(module: nn.Module) -> Origin:
    """The module's private copy and the one EfficientViT in it. Raises CheckpointError where there is none or several."""
    private = baked(module)
    layout, prefix = find_layout(name for name, _ in private.named_parameters())
    module, prefix, left = outermost(private, prefix, TRAINING)
    network = module.get_submodule(prefix.rstrip("."))
    grey = colour(network, layout)
    state, notes = merge_distilled_head(layout, network.state_dict())
    channels = channels_of(layout, state)
    return Origin(
        passed=private,
        module=module,
        network=network,
        layout=layout,
        state=state,
        grey=grey,
        channels=channels,
        notes=(*left, *colour_notes(grey, channels), *notes),
    )


def colour(network: nn.Module, layout: Layout) -> bool:
    """Gives a network of the private copy that takes 1 channel a first convolution for RGB, and tells whether it took 1."""
    state = network.state_dict()
    taken, grey = taking_rgb(layout, state)
    for key in (first for first in layout.first if grey and first in state):
        convolution = network.get_submodule(key.removesuffix(".weight"))
        assert isinstance(convolution, nn.Conv2d)
        convolution.weight = nn.Parameter(taken[key], requires_grad=False)
        convolution.in_channels = 3
    return grey


def recognised(origin: Origin, model: str | None) -> Found:
    """The reference for as much of the network as is a published variant and called as such: all of it, all but the last layer, or the
    trunk. Raises CheckpointError, of the most that was tried.
    """
    faults: list[CheckpointError] = []
    for match in matches(origin, model):
        try:
            return compared(origin, match)
        except NotCalledError:
            continue
        except CheckpointError as error:
            faults.append(error)
    if faults:
        raise with_outside(faults[0], origin)
    raise CheckpointError(
        got=f"a {type(origin.module).__name__} whose forward does not call the EfficientViT in it",
        allowed="a forward that runs the network, or its forward_features, once",
        do="pass the network itself, or a module that calls it",
    )


def with_outside(fault: CheckpointError, origin: Origin) -> CheckpointError:
    """`fault`, with the parameters of the module that lie outside the network."""
    inside = {id(parameter) for parameter in origin.network.parameters()}
    names = [name for name, parameter in origin.module.named_parameters() if id(parameter) not in inside]
    if not names:
        return fault
    lying = f"; outside the EfficientViT lie {named(names)}"
    return CheckpointError(got=fault.got + lying, allowed=fault.allowed, do=fault.do)


def matches(origin: Origin, model: str | None) -> Iterator[Match]:
    """What the network is, the most of it first. Raises CheckpointError when it is of no variant or not of `model`."""
    faults = []
    for part in Part:
        try:
            yield match_any(origin.layout, origin.state, model, part=part)
        except CheckpointError as error:
            faults.append(error)
    if len(faults) == len(Part):
        raise faults[0]


def compared(origin: Origin, match: Match) -> Found:
    """The reference for one match, if it gives what the module gives. Raises CheckpointError where it does not, NotCalledError."""
    native = _native_size(origin.network)
    usable = native if native is not None and all(side % 32 == 0 for side in native) else None
    trained = trained_size(match, origin.state, usable)
    dense = match.template.spec.task is not Task.CLASSIFICATION
    size = DENSE_SIZE if dense else (native or trained.size)
    spec = _spec(origin, match, trained.size, None)
    channels = image_channels(origin, size)
    reference = build(origin, match, spec, channels, size)
    classes, task = 0, match.template.spec.task
    unsteady: list[CheckpointError] = []
    for offset, spread in INPUTS:
        image = torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(0)) * spread + offset
        theirs = run(origin.module, image)
        task = task_of(theirs, reference, match)
        classes = theirs.shape[1]
        try:
            compare(run(reference, image), theirs, spec)
        except CheckpointError as fault:
            if steady(origin.module, image, theirs):
                raise
            unsteady.append(fault)
    if len(unsteady) == len(INPUTS):
        raise unsteady[0]
    output = None if task is match.template.spec.task else task
    spec = replace(spec, num_classes=classes, output=output, grey=origin.grey, channels=channels)
    return Found(match=match, spec=spec, module=reference, trained=trained)


def image_channels(origin: Origin, size: tuple[int, int]) -> int:
    """Channels of the images that the module takes: its network's, or 3 where it makes a fourth of these by itself."""
    if origin.channels == 3 or origin.module is origin.network:
        return origin.channels
    try:
        run(origin.module, torch.zeros(1, 3, *size))
    except CheckpointError:
        return origin.channels
    return 3


def build(
    origin: Origin, match: Match, spec: ModelSpec, channels: int, size: tuple[int, int] | None = None
) -> nn.Module:
    """Our network, of `spec`, with the origin's weights, and around it what the module does with images of `channels` and `size`, by
    default the spec's.
    """
    network = assemble(match, origin.layout, origin.state, spec)
    size = size or spec.size
    taken = (origin.channels, *size)
    shape = run(network, torch.zeros(1, *taken)).shape
    around = traced(origin.module, (channels, *size), taken, stand_in(origin, match.template.part, shape))
    if isinstance(around.before, nn.Identity) and isinstance(around.behind, nn.Identity):
        return network
    return Surrounded(around.before, network, around.behind).eval()


def stand_in(origin: Origin, part: Part, shape: Sequence[int]) -> Callable[[], AbstractContextManager[None]]:
    """Puts the operation of a part of the network in its place."""
    layout = origin.layout
    whole = part is not Part.TRUNK or not layout.trunk
    stages = layout.stages and (not whole or not layout.trunk)
    return partial(standing_in, origin.network, layout.trunk, shape, whole=whole, stages=stages)


def task_of(output: Tensor, reference: nn.Module, match: Match) -> Task:
    """What the module's output is. Raises CheckpointError for a shape that is none of (1, classes) and (1, channels, height, width)."""
    if output.shape[0] != 1 or output.ndim not in (2, 4):
        raise CheckpointError(
            got=f"a module that returns {tuple(output.shape)} for one image",
            allowed="(1, classes), or a map of shape (1, channels, height, width)",
            do="keep the dimension of the batch, and return logits or features",
        )
    spec = match.template.spec
    if output.ndim == 4:
        return Task.SEGMENTATION if spec.task is Task.SEGMENTATION else Task.FEATURES
    headless = match.template.part is not Part.WHOLE or spec.task is Task.FEATURES
    return Task.FEATURES if headless and not has_layers(reference) else Task.CLASSIFICATION


def _native_size(network: nn.Module) -> tuple[int, int] | None:
    """Input size (height, width) that a module was made for, where it says so: M by its first attention, which
    Microsoft's code also asserts, B and L by timm's configuration.
    """
    for attention in network.modules():
        if hasattr(attention, "window_resolution") and isinstance(attention.resolution, int):
            return (attention.resolution * PATCH_STRIDE,) * 2
    configuration = getattr(network, "pretrained_cfg", None)
    return as_size(configuration.get("input_size")) if isinstance(configuration, dict) else None


def _spec(origin: Origin, match: Match, trained: tuple[int, int], asked: tuple[int, int] | None) -> ModelSpec:
    """The spec of the network with the eps that it has, whatever those of its origin are."""
    template = match.template
    key = None if template.classifier is None else match.sources[f"{template.classifier}.weight"]
    classes = template.spec.num_classes if key is None else origin.state[key].shape[0]
    spec = target_spec(template.spec, origin.layout, trained=trained, asked=asked, classes=classes)
    eps = {
        name: _eps(origin, path, getattr(spec.architecture, name)) for name, path in spec.architecture.eps_at.items()
    }
    return replace(spec, architecture=spec.architecture.with_eps(eps), channels=origin.channels)


def _eps(origin: Origin, path: str, default: float) -> float:
    """`eps` of the origin's module that is at `path` in ours; `default` where it has none."""
    theirs = origin.layout.rename(f"{path}.eps").removesuffix(".eps")
    module = dict(origin.network.named_modules()).get(theirs)
    return float(getattr(module, "eps", default))


def run(module: nn.Module, image: Tensor) -> Tensor:
    """The one output of a module for `image` (1, 3, H, W). Raises CheckpointError where it fails or gives several."""
    try:
        with torch.no_grad():
            output: Tensor = OneOutput(module)(image)
    except CheckpointError:
        raise
    except Exception as error:  # the user's code may fail in any way
        raise CheckpointError(
            got=f"a {type(module).__name__} whose forward fails on {tuple(image.shape)}: {error}",
            allowed="a module that takes one batch of images",
            do="make its forward run in eval mode on the CPU",
        ) from error
    return output


def steady(module: nn.Module, image: Tensor, output: Tensor) -> bool:
    """Whether the module itself gives the same for nearly the same image. Far from the images that it was made for a network may magnify
    roundings a million times; where it does, nothing can be compared.
    """
    moved = run(module, image * (1 + NUDGE))
    return bool((moved - output).abs().max() <= MAX_RELATIVE_ERROR * output.abs().max())


def compare(ours: Tensor, theirs: Tensor, spec: ModelSpec) -> None:
    """Raises CheckpointError where the two outputs differ by more than MAX_RELATIVE_ERROR."""
    if ours.shape == theirs.shape:
        error = ((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30)).item()
        if error <= MAX_RELATIVE_ERROR:
            return
        found = f"outputs that differ from the reference's by {error:.2e}, relative"
    else:
        found = f"outputs of shape {tuple(theirs.shape)} in place of {tuple(ours.shape)}"
    raise CheckpointError(
        got=f"a module with the weights of {spec.name} and {found}",
        allowed=f"the function of the original {spec.name}, to {MAX_RELATIVE_ERROR:g}",
        do="undo what the module does inside the original, or pass the original module",
    )
