"""One pass over the calibration images, whatever is decided later: every tensor that may become int8 is observed on its own."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

import calib.histogram
import calib.observers
from calib.cache import ObserverCache
from calib.methods import Method
from calib.observers import Observer, make_observer
from calib.ranges import Range
from converters.quantized_program import shared_module
from evit_mobile.images.data import BATCH, affordable
from evit_mobile.quantization.cost import size
from evit_mobile.quantization.placement import ATEN
from evit_mobile.quantization.simulate import returning, run_images

FLOORS: dict[object, float] = {
    ATEN.relu.default: 0.0,
    ATEN.relu6.default: 0.0,
    ATEN.hardswish.default: -3.0,
    ATEN.gelu.default: -4.0,
}
"""Whatever an activation function reads below this, it returns the same: 0, and GELU no less than -0.00013."""

SAVE_EVERY_S = 30.0
"""The most work, in seconds, that an interruption loses."""

WATCHED_VALUES = 2**26
"""The most values of watched tensors, of all images that are run at once: 256 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What every watched tensor of a program looked like on the calibration images."""

    method: Method
    observers: Mapping[str, Observer]
    _ranges: dict[tuple[str, ...], Range] = field(default_factory=dict)

    def range(self, names: Sequence[str]) -> Range:
        """The range for tensors that share one scale. Raises KeyError for a tensor that was not watched."""
        group = tuple(names)
        if group not in self._ranges:
            merged = make_observer(self.method, names[0])
            for name in names:
                merged.merge(self.observers[name])
            self._ranges[group] = merged.range()
        return self._ranges[group]


def observe(
    program: ExportedProgram,
    names: Sequence[str],
    images: Callable[[int], Iterable[Tensor]],
    method: Method = Method.MSE,
    *,
    cache: ObserverCache | None = None,
    progress: Callable[[int], None] = lambda seen: None,  # noqa: ARG005  # what takes no interest
) -> Observations:
    """Runs images and observes the tensors `names` of the program's graph module, each from the least value on that its readers tell
    from lower ones: so no codes are spent on what becomes zero.

    `images(start)` gives those from position `start` on, each of the program's input shape (1, 3, H, W). What `cache` has
    already seen is not run again. `progress` gets the number of images done. Raises DataError when a tensor
    is not finite on some image.
    """
    observers = {name: make_observer(method, name) for name in names}
    if not observers:
        return Observations(method=method, observers={})
    seen = 0 if cache is None else cache.load(observers)
    done, saved = seen, time.monotonic()
    module = shared_module(program)
    nodes = {node.name: node for node in module.graph.nodes}
    floors = [floor_of(nodes[name]) for name in observers]
    run = returning(module, list(observers))
    at_once = affordable(BATCH, WATCHED_VALUES, sum(size(nodes[name]) for name in observers))
    stream = iter(images(seen))
    while taken := list(islice(stream, at_once)):
        for observer, values, floor in zip(observers.values(), run_images(run, taken), floors, strict=True):
            observer.observe(values if floor == -math.inf else values.clamp(min=floor), runs=len(taken))
        done += len(taken)
        progress(done)
        if cache is not None and time.monotonic() - saved > SAVE_EVERY_S:
            cache.save(observers, done)
            saved = time.monotonic()
    if cache is not None and done > seen:
        cache.save(observers, done)
    return Observations(method=method, observers=observers)


def floor_of(node: Node) -> float:
    """The value below which no reader of the node can tell values apart; minus infinity where one can."""
    return min((FLOORS.get(user.target, -math.inf) for user in node.users), default=-math.inf)


def observation_key(program: ExportedProgram, names: Iterable[str], images_digest: str, method: Method) -> str:
    """SHA-256 over the model with its weights, the images, and the code that observes."""
    digest = hashlib.sha256()
    module = shared_module(program)
    for text in (module.code, images_digest, method, *names, torch.__version__, np.__version__):
        digest.update(f"{len(text)}:{text}".encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}:{tuple(tensor.shape)}:{tensor.dtype}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    for source in (calib.histogram.__file__, calib.observers.__file__, __file__):
        digest.update(Path(source).read_bytes())
    return digest.hexdigest()
