"""The file itself: metadata, reproducibility, atomicity, and every kind of damage we could think of."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.coreml import package
from converters.coreml.evaluator import Evaluator
from converters.coreml.inspect import inspect
from converters.errors import ArtefactError, ConverterError
from tests.converters.coreml.coreml_programs import FeedForward, export, write

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
MODEL = f"Data/{package.MODEL}"
WEIGHTS = f"Data/{package.WEIGHTS}/weight.bin"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "p.mlpackage"
    write(export(nn.Sequential(FeedForward(6), nn.Conv2d(6, 9, 3)), X), path)
    return path


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "copy.mlpackage"))


def rewrite_manifest(**changes: object) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        file = path / "Manifest.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return damage


def cut(member: str, keep: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = (path / member).read_bytes()
        (path / member).write_bytes(content[: int(len(content) * keep)])

    return damage


def overwrite(member: str, content: bytes) -> Callable[[Path], None]:
    return lambda path: (path / member).write_bytes(content) and None


def flip(member: str, position: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = bytearray((path / member).read_bytes())
        content[position] ^= 0x10
        (path / member).write_bytes(content)

    return damage


ESCAPE = {"a": {"path": "../../../etc/hostname"}}
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (lambda path: (path / "Manifest.json").unlink(), "no Manifest.json"),
    "no folder": (shutil.rmtree, "no Manifest.json"),
    "manifest is not JSON": (overwrite("Manifest.json", b"{"), "unreadable Manifest.json"),
    "manifest is not text": (overwrite("Manifest.json", b"\xff\xfe\x00"), "unreadable Manifest.json"),
    "manifest is a list": (overwrite("Manifest.json", b"[1]"), "holds a list"),
    "manifest without entries": (rewrite_manifest(itemInfoEntries=None), "without a root model"),
    "manifest with odd entries": (rewrite_manifest(itemInfoEntries={"a": 3}), "without a root model"),
    "manifest with another root": (rewrite_manifest(rootModelIdentifier="x"), "without a root model"),
    "manifest with an odd root": (rewrite_manifest(rootModelIdentifier=[]), "without a root model"),
    "manifest that leads outside": (
        rewrite_manifest(itemInfoEntries=ESCAPE, rootModelIdentifier="a"),
        "no member",
    ),
    "no specification": (lambda path: (path / MODEL).unlink(), "no member"),
    "no weights": (lambda path: shutil.rmtree(path / WEIGHTS.removesuffix("/weight.bin")), "no member"),
    "no weight file": (lambda path: (path / WEIGHTS).unlink(), "no weight file"),
    "foreign file": (overwrite("Data/notes.txt", b"hello"), "foreign file"),
    "empty specification": (overwrite(MODEL, b""), "model of type None"),
    "specification is noise": (overwrite(MODEL, bytes(range(256))), "unreadable model.mlmodel"),
    "specification cut": (cut(MODEL, 0.6), "unreadable model.mlmodel"),
    "weights empty": (overwrite(WEIGHTS, b""), "weight.bin of 0 bytes"),
    "weights cut in half": (cut(WEIGHTS, 0.5), "weight.bin"),
    "weights cut at the end": (cut(WEIGHTS, 0.999), "cut short"),
    "weights from elsewhere": (overwrite(WEIGHTS, bytes(100_000)), "tensor header"),
    "flipped sentinel": (flip(WEIGHTS, 64), "tensor header"),
    "flipped element type": (flip(WEIGHTS, 68), "tensor header"),
    "flipped size": (flip(WEIGHTS, 72), "tensor header"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(name: str, copy: Path) -> None:
    damage, message = DAMAGES[name]
    damage(copy)
    for read in (Evaluator, inspect):
        with pytest.raises(ArtefactError, match=message):
            read(copy)


def test_flipped_weight_changes_the_output(original: Path, copy: Path) -> None:
    """The header of the first tensor is at 64, its data at 128: a sign bit, and no check can tell."""
    content = bytearray((copy / WEIGHTS).read_bytes())
    content[129] ^= 0x80
    (copy / WEIGHTS).write_bytes(content)
    assert not np.array_equal(Evaluator(copy)(X.numpy()), Evaluator(original)(X.numpy()))


def test_random_flips_never_surprise(original: Path, copy: Path) -> None:
    """Any single flipped bit of the specification or manifest: an error of ours, or a package that still reads."""
    generator = random.Random(0)
    for member, position in [(member, generator.random()) for member in ("Manifest.json", MODEL) for _ in range(40)]:
        content = bytearray((original / member).read_bytes())
        content[int(position * len(content))] ^= 1 << generator.randrange(8)
        (copy / member).write_bytes(content)
        try:
            inspect(copy)
            Evaluator(copy)(X.numpy())
        except ConverterError:
            continue
        finally:
            shutil.copy(original / member, copy / member)


def test_images_of_another_size_are_refused(original: Path) -> None:
    run = Evaluator(original)
    for shape in ((1, 6, 5, 6), (6, 5, 5), (0, 6, 5, 5), (1, 3, 5, 5)):
        with pytest.raises(ArtefactError, match=r"allowed: \(B, 6, 5, 5\)"):
            run(np.zeros(shape, np.float32))
    batch = np.random.default_rng(0).normal(size=(3, 6, 5, 5)).astype(np.float32)
    alone = np.concatenate([run(one[None]) for one in batch])  # may sum in another order, and then round to a neighbour
    np.testing.assert_allclose(run(batch), alone, rtol=2**-10, atol=2**-10 * np.abs(alone).max())
