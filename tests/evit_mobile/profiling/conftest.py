"""A small real file for each runtime that runs here, with modules inside modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from converters.contract import Metadata, Precision


class Block(nn.Module):
    """Two convolutions; the second one's input is padded on one side only, as a stride of 2 does it."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Conv2d(3, 16, 3, padding=1)
        self.reduce = nn.Conv2d(16, 8, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) -> (1, 8, H / 2, W / 2)."""
        return torch.sigmoid(self.reduce(torch.relu(self.expand(x))))


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, H, W) -> (1, 4)."""
        return self.head(self.block(x).mean((2, 3)))


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Format -> a written file of `Small` for images of 64 x 64."""
    from converters.executorch.lower import to_bytes as to_pte
    from converters.tflite.lower import to_bytes as to_tflite

    torch.manual_seed(0)
    program = torch.export.export(Small().eval(), (torch.zeros(1, 3, 64, 64),))
    folder = tmp_path_factory.mktemp("artefacts")
    metadata = Metadata(description="small")
    paths = {"tflite": folder / "small.tflite", "executorch": folder / "small.pte"}
    paths["tflite"].write_bytes(to_tflite(program, Precision.FP32, metadata))
    paths["executorch"].write_bytes(to_pte(program, Precision.FP32, metadata))
    return paths


DEVICES = "List of devices attached\nSERIAL1\tdevice\n\n"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the scripted adb, with one device."""
    home = tmp_path / "fake"
    (home / "device").mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "devices").write_text(DEVICES)
    adb = home / "bin" / "adb"
    adb.write_text(
        f"#!{sys.executable} -SE\n" + Path(__file__).with_name("fake_adb.py").read_text()
    )  # which starts at once
    adb.chmod(0o755)
    monkeypatch.setenv("FAKE_ADB", str(home))
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")
    yield home
    if not (home / "away").exists():
        assert list((home / "device").iterdir()) == [], "something was left on the device"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "m0.int8.mlpackage"
    path.mkdir()
    (path / "Manifest.json").write_text("{}")
    return path
