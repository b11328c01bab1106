"""Written assets in Core AI's own runtime. Opt-in: `make test-coreai`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Metadata, Precision
from converters.coreai import package, toolchain
from converters.errors import ArtefactError
from converters.registry import find_target

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(toolchain.missing() is not None, reason=f"{toolchain.missing()}"),
]


class Net(nn.Module):
    """Convolution, hard swish (which becomes a composite operation), pooling, linear."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 24, 3, padding=1), nn.Hardswish(), nn.Conv2d(24, 24, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.head = nn.Linear(24, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


NET = Net().eval()
IMAGES = torch.randn(4, 3, 12, 16, generator=torch.Generator().manual_seed(0))
METADATA = Metadata(description="a net", license="Apache-2.0", version="1", labels=tuple("abcdefg"))


def sqnr_db(expected: np.ndarray, found: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((expected - found) ** 2).sum()))


def written(path: Path) -> Path:
    program = torch.export.export(NET, (IMAGES[:1],))
    return find_target("coreai").lower(program, Precision.FP32, path, METADATA).path


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("asset") / "net.aimodel")


@torch.no_grad()
def test_it_computes_what_the_program_does(asset: Path) -> None:
    found = find_target("coreai").load(asset)(IMAGES.numpy())
    assert sqnr_db(NET(IMAGES).numpy(), found) > 100


def test_what_it_contains(asset: Path) -> None:
    inspection = find_target("coreai").inspect(asset)
    ((image,), (logits,)) = inspection.inputs, inspection.outputs
    assert (image.name, image.shape, image.dtype) == ("image", (1, 3, 12, 16), "float32")
    assert (logits.name, logits.shape, logits.dtype) == ("logits", (1, 7), "float32")
    assert inspection.operations["conv2d"] == 2
    assert package.read(asset).own == {"labels": list("abcdefg"), "precision": "fp32", "version": "1"}
    assert b"/home/" not in (asset / package.PROGRAM).read_bytes()
    assert str(Path(__file__).parent).encode() not in (asset / package.PROGRAM).read_bytes()


def test_the_same_program_gives_the_same_bytes(asset: Path, tmp_path: Path) -> None:
    again = written(tmp_path / "net.aimodel")
    for name in (package.PROGRAM, package.HASH, package.METADATA):
        assert (again / name).read_bytes() == (asset / name).read_bytes()


def test_images_of_another_size_are_refused(asset: Path) -> None:
    with pytest.raises(ArtefactError, match="12x16"):
        find_target("coreai").load(asset)(np.zeros((1, 3, 16, 16), np.float32))
