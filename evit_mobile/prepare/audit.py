"""Whether fp16 can hold what a model computes: the largest magnitude of every result, measured on calibration images.

The reference is audited before anything is converted, so that a user reads of an overflow in the paths of the model as it is. The
program that is lowered is audited too: what its fp16 form still cannot hold, its islands, has to be computed in float32, which Core ML
can. A GPU that runs a LiteRT file cannot: there it overflows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Interpreter, Node
from torch.overrides import TorchFunctionMode

from converters.lowering.program import module_path
from converters.quantized_program import graph_module
from evit_mobile.findings import ActivationAudit, Peak

FP16_MAX = 65504.0
MARGIN = 2.0
"""How many times larger than on the audited images a value may become on others."""
IMAGES = 8


def audit(reference: nn.Module, program: ExportedProgram, images: Sequence[Tensor]) -> ActivationAudit:
    """Audits both on `images`, each (1, 3, H, W); islands are what of `program` has to be computed in float32."""
    before = reference_peaks(reference, images)
    return ActivationAudit(
        images=len(images),
        limit=FP16_MAX,
        margin=MARGIN,
        largest=max(before, key=lambda one: one.peak),
        overflowing=worst_of_each_module(one for one in before if overflows(one)),
        islands=tuple(peak for peak in program_peaks(program, images).values() if overflows(peak)),
    )


def overflowing(form: nn.Module, images: Sequence[Tensor]) -> bool:
    """Whether fp16 cannot hold what a form of the model computes of `images`, each (1, 3, H, W). Once it is known, it runs no more."""
    several = (torch.cat(tuple(images[start : start + IMAGES])) for start in range(0, len(images), IMAGES))
    return any(overflows(one) for batch in several for one in reference_peaks(form, [batch]))


def overflows(found: Peak) -> bool:
    """Whether fp16 may not hold it. What is not finite in float32 counts."""
    return not found.peak * MARGIN <= FP16_MAX


def worst_of_each_module(peaks: Iterable[Peak]) -> tuple[Peak, ...]:
    """The largest of every module, in the order in which modules run."""
    worst: dict[str, Peak] = {}
    for one in peaks:
        if one.module not in worst or one.peak > worst[one.module].peak:
            worst[one.module] = one
    return tuple(worst.values())


def describe(found: ActivationAudit) -> str:
    """The audit in a line, for people."""
    if not found.overflowing:
        return f"activations reach {found.largest.peak:.0f} on {found.images} images: fp16 holds them"
    places = ", ".join(f"{one.peak:.3g} in {one.module}" for one in found.overflowing)
    left = "no result needs float32"
    if found.islands:
        modules = ", ".join(dict.fromkeys(one.module for one in found.islands))
        count = len(found.islands)
        left = f"{count} results need float32, in {modules}: Core ML computes them so, a GPU that runs a LiteRT file does not"
    return (
        f"fp16 cannot hold this model's activations as it stands ({places}; {FP16_MAX:.0f} is the limit, with a margin of "
        f"{MARGIN:.0f}); rewritten, {left}"
    )


@torch.no_grad()
def reference_peaks(module: nn.Module, images: Sequence[Tensor]) -> list[Peak]:
    """The peak of every operation of every submodule over all images."""
    watcher = _Watcher()
    with watcher.inside(module), watcher:
        for image in images:
            module(image)
    return [Peak(module=path, operation=name, peak=peak) for (path, name), peak in watcher.peaks.items()]


class _Watcher(TorchFunctionMode):
    """Keeps the largest magnitude that each function returned within each module."""

    def __init__(self) -> None:
        super().__init__()
        self.peaks: dict[tuple[str, str], float] = {}
        self.path = [""]

    @contextmanager
    def inside(self, module: nn.Module) -> Iterator[None]:
        """Follows which submodule of `module` runs."""
        handles = []
        for path, child in module.named_modules():
            handles.append(child.register_forward_pre_hook(lambda *_, path=path: self.path.append(path)))
            handles.append(child.register_forward_hook(lambda *_: self.path.pop() and None))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point() and result.numel():
            key = (self.path[-1], getattr(func, "__name__", str(func)))
            self.peaks[key] = max(self.peaks.get(key, 0.0), magnitude(result))
        return result


def magnitude(values: Tensor) -> float:
    """The largest absolute value, infinite for what is no number."""
    low, high = torch.aminmax(values)
    return float(torch.maximum(-low, high).nan_to_num(nan=torch.inf, posinf=torch.inf))


@torch.no_grad()
def program_peaks(program: ExportedProgram, images: Sequence[Tensor]) -> dict[str, Peak]:
    """The peak of every float result of a program over all images, by the node's name."""
    peaks: dict[str, Peak] = {}

    class Runner(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if n.op == "call_function" and isinstance(value, Tensor) and value.is_floating_point() and value.numel():
                peak = max(magnitude(value), peaks[n.name].peak if n.name in peaks else 0.0)
                peaks[n.name] = Peak(module=module_path(n), operation=n.name, peak=peak)
            return value

    runner = Runner(graph_module(program))
    for image in images:
        runner.run(image)
    return peaks
