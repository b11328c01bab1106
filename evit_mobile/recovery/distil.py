"""Distillation: a student learns what a teacher computes, block by block, then end to end.

Both run in eval mode throughout: norms keep the teacher's statistics, so what is learned is what is converted.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.progress import Report

Objective = Callable[[Tensor], Tensor]
"""Loss (a scalar) of the student on images (B, 3, H, W)."""

BATCH = 32
WARM_UP = 10
"""Steps in which the learning rate rises to its peak; it then falls along half a cosine."""
CHECKS = 10
PATIENCE = 4
"""The watched loss is measured CHECKS times over a phase, which ends early after PATIENCE measurements without a new minimum."""
MAX_GRADIENT_NORM = 5.0
TEMPERATURE = 2.0
LOGIT_WEIGHT = 0.1
SHIFT = 1 / 14
"""Largest shift of a training image, as a share of its side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One objective, the student's parameters that it changes, and at what peak learning rate."""

    name: str
    objective: Objective
    parameters: Sequence[nn.Parameter]
    rate: float


@contextmanager
def layer_wise(teacher: nn.Module, student: nn.Module, blocks: Sequence[str]) -> Iterator[Phase]:
    """Each block of the student against the teacher's, both on the teacher's input: squared error over the output's variance."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def recorder(path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def record(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[path] = inputs[0], output

        return record

    def objective(images: Tensor) -> Tensor:
        with torch.no_grad():
            teacher(images)
        return torch.stack([relative_square(student.get_submodule(path)(x), y) for path, (x, y) in seen.items()]).mean()

    handles = [teacher.get_submodule(path).register_forward_hook(recorder(path)) for path in blocks]
    parameters = [parameter for path in blocks for parameter in student.get_submodule(path).parameters()]
    try:
        yield Phase(name="layer-wise", objective=objective, parameters=parameters, rate=3e-3)
    finally:
        for handle in handles:
            handle.remove()


def relative_square(actual: Tensor, expected: Tensor) -> Tensor:
    """Mean squared error over the variance of what is expected."""
    return F.mse_loss(actual, expected) / expected.var().clamp_min(1e-12)


def end_to_end(teacher: nn.Module, student: nn.Module) -> Phase:
    """The student's logits against the teacher's: Hinton et al., arXiv 1503.02531, section 2, and the logits' squared error."""

    def objective(images: Tensor) -> Tensor:
        with torch.no_grad():
            expected = teacher(images)
        actual = student(images)
        soft, target = (F.log_softmax(logits / TEMPERATURE, dim=1) for logits in (actual, expected))
        divergence = F.kl_div(soft, target, reduction="batchmean", log_target=True) * TEMPERATURE**2
        return divergence + LOGIT_WEIGHT * F.mse_loss(actual, expected)

    return Phase(name="end to end", objective=objective, parameters=list(student.parameters()), rate=1e-4)


def learn(
    student: nn.Module, phase: Phase, images: Tensor, watched: Tensor, *, steps: int, seed: int, report: Report
) -> int:
    """Descends on `images` (N, 3, H, W) and leaves `student` as it was where the loss on `watched` was lowest, which may be
    as it came. Returns the number of steps to there.
    """
    if not steps:
        return 0
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(phase.parameters, lr=phase.rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, steps))
    first = lowest = watched_loss(phase.objective, watched)
    best, best_step = copy.deepcopy(student.state_dict()), 0
    interval = math.ceil(steps / CHECKS)
    for step in range(1, steps + 1):
        optimizer.zero_grad(set_to_none=True)
        phase.objective(training_batch(images, generator)).backward()  # type: ignore[no-untyped-call]  # torch's
        nn.utils.clip_grad_norm_(phase.parameters, MAX_GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        if step % interval and step != steps:
            continue
        loss = watched_loss(phase.objective, watched)
        report(f"recovering {phase.name}: step {step} of {steps}, loss {loss:.4f}, {first:.4f} at the start")
        if loss < lowest:
            lowest, best, best_step = loss, copy.deepcopy(student.state_dict()), step
        elif step - best_step >= PATIENCE * interval:
            report(f"recovering {phase.name}: no better since step {best_step}")
            break
    student.load_state_dict(best)
    return best_step


def rate_factor(step: int, steps: int) -> float:
    """Share of the peak learning rate at a step, the first being 0."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def watched_loss(objective: Objective, images: Tensor) -> float:
    """Mean loss over `images`, by batches; NaN and infinity count as infinity, so that they are never an improvement."""
    losses = [float(objective(batch.float())) * len(batch) for batch in images.split(BATCH)]  # type: ignore[no-untyped-call]  # torch's
    loss = sum(losses) / len(images)
    return loss if math.isfinite(loss) else math.inf


def training_batch(images: Tensor, generator: torch.Generator) -> Tensor:
    """A random batch (BATCH, 3, H, W) in fp32, half of it mirrored, all of it shifted alike. No label has to survive that: the
    teacher sees the same.
    """
    batch = images[torch.randint(len(images), (BATCH,), generator=generator)].float()
    mirrored = torch.rand(BATCH, generator=generator) < 0.5
    batch[mirrored] = batch[mirrored].flip(3)
    height, width = batch.shape[2:]
    down, right = (round(side * SHIFT) for side in (height, width))
    padded = F.pad(batch, (right, right, down, down), mode="replicate")
    top, left = (int(torch.randint(2 * margin + 1, (), generator=generator)) for margin in (down, right))
    return padded[:, :, top : top + height, left : left + width]
