"""Trains the bundled checkpoints: efficientvit_m0 and efficientvit_b0 on Fashion-MNIST at 224x224.

    apt-get install dataset-fashion-mnist
    python training/train_fashion_mnist.py efficientvit_m0 --out build/training
    python training/train_fashion_mnist.py efficientvit_b0 --out build/training

Resolution grows while training (small images first, 224 at the end), which costs a third of training at 224 throughout.
The state is saved after every epoch; the same command resumes. Seeded, fp32 (on CPUs without AMX, bf16 autocast is slower
than fp32 in channels-last), so a run on another CPU may differ in the last digits. What is kept is the exponential moving
average of the weights. docs/training.md says how the shipped files came about.
"""

from __future__ import annotations

import argparse
import copy
import gzip
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evit_mobile.models import build_model
from evit_mobile.spec import MODELS, find_spec

DATA = Path("/usr/share/datasets/fashion-mnist")
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
BATCH = 128


@dataclass(frozen=True)
class Phase:
    """Epochs at one image side, in pixels. The learning rate warms up to its peak and falls to zero in each phase."""

    side: int
    epochs: int
    peak_learning_rate: float


SCHEDULE = {
    "efficientvit_m0": (Phase(96, 10, 3e-3), Phase(224, 1, 2e-4), Phase(224, 3, 1.5e-3), Phase(224, 3, 1e-3)),
    "efficientvit_b0": (Phase(96, 8, 3e-3), Phase(224, 2, 1.5e-3), Phase(224, 1, 1e-3)),
}
WEIGHT_DECAY = 0.05
EMA_DECAY = 0.998


@dataclass(frozen=True)
class Split:
    images: Tensor  # (N, 28, 28) uint8
    labels: Tensor  # (N,) int64


def read_idx(path: Path) -> Tensor:
    """An idx1 or idx3 file of unsigned bytes, gzipped."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy())


def load_split(prefix: str) -> Split:
    images = read_idx(DATA / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(DATA / f"{prefix}-labels-idx1-ubyte.gz").long()
    return Split(images, labels)


def network_input(images: Tensor, side: int) -> Tensor:
    """(B, 28, 28) float in 0..255 -> (B, 3, side, side), bilinear, ImageNet mean and std."""
    resized = F.interpolate(images[:, None] / 255, size=(side, side), mode="bilinear", align_corners=False)
    return (resized.expand(-1, 3, -1, -1) - IMAGENET_MEAN) / IMAGENET_STD


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror, shift by up to two pixels, erase a patch in a quarter of the images: (B, 28, 28) uint8 -> float."""
    count = len(images)
    images = images.float()
    mirrored = torch.rand(count, generator=generator) < 0.5
    images[mirrored] = images[mirrored].flip(2)
    padded = F.pad(images, (2, 2, 2, 2))
    offsets = torch.randint(0, 5, (count, 2), generator=generator)
    rows = offsets[:, :1] + torch.arange(28)
    columns = offsets[:, 1:] + torch.arange(28)
    images = padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    corners = torch.randint(0, 20, (count, 2), generator=generator)
    for index in torch.nonzero(torch.rand(count, generator=generator) < 0.25).flatten().tolist():
        y, x = corners[index].tolist()
        images[index, y : y + 8, x : x + 8] = torch.rand((), generator=generator) * 255
    return images


def model_at(name: str, side: int) -> nn.Module:
    return build_model(find_spec(name, size=(side, side), num_classes=10))


def carry_weights(source: nn.Module, target: nn.Module) -> None:
    """Copies all weights; position-bias tables of another window size are resized bicubically, as LeViT does."""
    state = source.state_dict()
    for key, value in target.state_dict().items():
        if state[key].shape != value.shape:
            old, new = math.isqrt(state[key].shape[1]), math.isqrt(value.shape[1])
            table = state[key].view(1, -1, old, old)
            table = F.interpolate(table, size=(new, new), mode="bicubic", align_corners=False)
            state[key] = table.view(value.shape)
    target.load_state_dict(state)


def optimizer_for(model: nn.Module) -> torch.optim.AdamW:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups)


def learning_rate(peak: float, progress: float) -> float:
    """Linear warm-up over the first twentieth of a phase, then a cosine to zero."""
    if progress < 0.05:
        return peak * progress / 0.05
    return peak * 0.5 * (1 + math.cos(math.pi * (progress - 0.05) / 0.95))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, step: int) -> None:
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


@torch.no_grad()
def top1(model: nn.Module, split: Split, side: int, limit: int) -> float:
    """Top-1 in percent, fp32, on the first `limit` images."""
    model.eval()
    hits = 0
    for start in range(0, limit, 250):
        logits = model(network_input(split.images[start : start + 250].float(), side))
        hits += int((logits.argmax(1) == split.labels[start : start + 250]).sum())
    return 100 * hits / limit


def train(name: str, out: Path, seed: int) -> None:
    torch.manual_seed(seed)
    train_set, test_set = load_split("train"), load_split("t10k")
    epochs = [(phase, index) for phase in SCHEDULE[name] for index in range(phase.epochs)]
    steps_per_epoch = len(train_set.labels) // BATCH
    out.mkdir(parents=True, exist_ok=True)
    state_path = out / f"{name}.training.pt"

    model = model_at(name, epochs[0][0].side)
    average = copy.deepcopy(model)
    optimizer = optimizer_for(model)
    first_epoch = 0
    if state_path.exists():
        saved = torch.load(state_path, weights_only=True)
        first_epoch = saved["epoch"] + 1
        side = epochs[saved["epoch"]][0].side
        model, average = model_at(name, side), model_at(name, side)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimizer = optimizer_for(model)
        optimizer.load_state_dict(saved["optimizer"])

    for epoch in range(first_epoch, len(epochs)):
        phase, epoch_of_phase = epochs[epoch]
        side = phase.side
        if epoch and epoch_of_phase == 0:
            grown = model_at(name, side)
            carry_weights(model, grown)
            model, average, optimizer = grown, copy.deepcopy(grown), optimizer_for(grown)
        generator = torch.Generator().manual_seed(seed * 1000 + epoch)
        order = torch.randperm(len(train_set.labels), generator=generator)
        model.train().to(memory_format=torch.channels_last)
        started, running = time.time(), 0.0
        for step in range(steps_per_epoch):
            position = epoch_of_phase * steps_per_epoch + step
            progress = position / (phase.epochs * steps_per_epoch)
            batch = order[step * BATCH : (step + 1) * BATCH]
            images = network_input(augment(train_set.images[batch], generator), side)
            rate = learning_rate(phase.peak_learning_rate, progress)
            running += take_step(model, optimizer, images, train_set.labels[batch], rate)
            update_average(average, model, position)
            if step % 50 == 49:
                seconds = (time.time() - started) / (step + 1)
                print(f"{name} epoch {epoch} step {step + 1} loss {running / 50:.3f} {seconds:.3f} s/step", flush=True)
                running = 0.0
        saved = {
            "epoch": epoch,
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        save_state(saved, state_path)
        last = epoch == len(epochs) - 1
        accuracy = top1(average, test_set, side, 10_000 if last else 2_000)
        print(f"{name} epoch {epoch} side {side} top-1 {accuracy:.2f} % in {time.time() - started:.0f} s", flush=True)


def take_step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, rate: float) -> float:
    """One step at a learning rate of `rate` on images (B, 3, side, side) and labels (B,); returns the loss before it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = F.cross_entropy(model(images.to(memory_format=torch.channels_last)), labels, label_smoothing=0.05)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def save_state(state: dict[str, object], path: Path) -> None:
    """Writes the training state beside `path` and renames it."""
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


SETTLE_STEPS = 160
SETTLE_LEARNING_RATE = 4e-4


def settle(name: str, out: Path, seed: int) -> None:
    """A last third of an epoch at 224 on images that are only mirrored, so that the norms see what inference sees."""
    state_path = out / f"{name}.training.pt"
    saved = torch.load(state_path, weights_only=True)
    model = model_at(name, 224)
    model.load_state_dict(saved["average"])
    average, optimizer = copy.deepcopy(model), optimizer_for(model)
    train_set, test_set = load_split("train"), load_split("t10k")
    generator = torch.Generator().manual_seed(seed * 1000 + 999)
    order = torch.randperm(len(train_set.labels), generator=generator)
    model.train().to(memory_format=torch.channels_last)
    for step in range(SETTLE_STEPS):
        batch = order[step * BATCH : (step + 1) * BATCH]
        images = train_set.images[batch].float()
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images[mirrored] = images[mirrored].flip(2)
        rate = learning_rate(SETTLE_LEARNING_RATE, step / SETTLE_STEPS)
        take_step(model, optimizer, network_input(images, 224), train_set.labels[batch], rate)
        update_average(average, model, step)
    saved["average"] = average.state_dict()
    save_state(saved, state_path)
    print(f"{name} settled, top-1 {top1(average, test_set, 224, 10_000):.2f} %", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(set(SCHEDULE) & set(MODELS)))
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--settle", action="store_true", help="only the last step, on a finished training state")
    arguments = parser.parse_args()
    (settle if arguments.settle else train)(arguments.model, arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
