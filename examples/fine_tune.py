"""What you have already: a timm model, fine-tuned on four classes, as timm's train.py saves it, and 200 photos.

    python examples/fine_tune.py WORK      writes WORK/model_best.pth.tar and WORK/photos/CLASS/NNN.jpg, in about a minute

The pictures are those of Fashion-MNIST that evit-mobile brings along, enlarged; so are the weights that training starts from. A run of
your own has photos and weights from elsewhere, and takes longer. Needs timm.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn

from calib.datasets import ArrayDataset
from calib.sources.bundled import Bundled, open_bundled
from evit_mobile.models.bundled import bundled_checkpoint

MODEL = "efficientvit_m0"
CLASSES = ("Bag", "Dress", "Sandal", "Trouser")
"""In the order of their names, as the folders of a training have them."""
PHOTOS = 50
"""Of each class."""


def main(work: Path) -> None:
    torch.manual_seed(0)
    write_photos(work / "photos")
    model = timm.create_model(MODEL, num_classes=len(CLASSES))
    pretrained = load_file(bundled_checkpoint(MODEL))
    fitting = {key: value for key, value in pretrained.items() if not key.startswith("head.")}
    model.load_state_dict(fitting, strict=False)
    settings = resolve_data_config({}, model=model)
    images, labels = training_set(settings)
    train(model, images, labels)
    state = {"arch": MODEL, "epoch": 0, "state_dict": model.state_dict(), "args": argparse.Namespace(model=MODEL)}
    torch.save(state, work / "model_best.pth.tar")


def pictures(which: Bundled, most: int) -> list[tuple[int, Image.Image]]:
    """(class, picture) of up to `most` pictures of each class."""
    data: ArrayDataset = open_bundled(which)
    found: list[tuple[int, Image.Image]] = []
    for index, name in enumerate(CLASSES):
        wanted = (data.labels == data.class_names.index(name)).nonzero()[0][:most]
        found += [(index, Image.fromarray(data.images[one]).convert("RGB")) for one in wanted]
    return found


def write_photos(folder: Path) -> None:
    """The test set's pictures, 320 x 240 pixels or upright, as a camera might write them."""
    for number, (index, picture) in enumerate(pictures(Bundled.TEST, PHOTOS)):
        place = folder / CLASSES[index]
        place.mkdir(parents=True, exist_ok=True)
        size = (320, 240) if number % 2 else (240, 320)
        picture.resize(size, Image.Resampling.BICUBIC).save(place / f"{number:03}.jpg", quality=92)


def training_set(settings: dict[str, object]) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 224, 224) as timm prepares them, and their classes (N,)."""
    transform = create_transform(**settings, is_training=False)
    found = [(transform(picture.resize((256, 256))), index) for index, picture in pictures(Bundled.CALIBRATION, 100)]
    return torch.stack([image for image, _ in found]), torch.tensor([index for _, index in found])


def train(model: nn.Module, images: Tensor, labels: Tensor, steps: int = 60) -> None:
    """Fine-tunes in place; batches of 16."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.train()
    for step in range(steps):
        chosen = torch.randint(len(images), (16,))
        loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 10 == 0:
            print(f"step {step}: loss {loss.item():.3f}", file=sys.stderr)
    model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
