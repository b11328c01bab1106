"""Faults planted into assets whose hash fits: each is refused or fails, and none passes. Opt-in: `make test-coreai`."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.coreai import package, toolchain
from converters.errors import ArtefactError, ToolchainError
from converters.interface import Function
from converters.lowering.palettes import palettized
from converters.registry import find_target
from evit_mobile.findings import Verdict
from evit_mobile.validation.verdict import Terms, judge
from tests.converters.coreai.test_coreai_asset import IMAGES, METADATA, NET, Net, exported, int8, int8_weights, written

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(toolchain.missing() is not None, reason=f"{toolchain.missing()}"),
]

SIZES = ((12, 16), (16, 12))
MANY = torch.randn(32, 3, 12, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound asset of each kind that faults are planted into."""
    folder = tmp_path_factory.mktemp("assets")
    written(folder / "fp32.aimodel")
    written(folder / "int8.aimodel", int8(), Precision.INT8)
    written(folder / "int8-weights.aimodel", int8_weights(), Precision.INT8_WEIGHTS)
    written(folder / "fp16-palette6.aimodel", exported(), Precision.FP16_PALETTE6)
    programs = [torch.export.export(NET, (torch.zeros(1, 3, *size),)) for size in SIZES]
    target = type(find_target("coreai"))([Function(program=program) for program in programs[1:]])
    target.lower(programs[0], Precision.FP32, folder / "sizes.aimodel", METADATA)
    return folder


@torch.no_grad()
def outcome(path: Path, precision: Precision) -> str:
    """The verdict on an asset, or "refused"."""
    try:
        found = find_target("coreai").load(path)(MANY.numpy())
        terms = Terms(precision=precision, half_sums=True)
        return judge([("reference", NET(MANY).numpy()), ("coreai", found)], None, "Core AI", terms).verdict
    except (ArtefactError, ToolchainError):
        return "refused"


def rehashed(path: Path, content: bytes) -> None:
    (path / package.PROGRAM).write_bytes(content)
    (path / package.HASH).write_bytes(hashlib.sha256(content).digest())


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    """Puts `new` in the program where `old` is."""

    def plant(path: Path) -> None:
        content = (path / package.PROGRAM).read_bytes()
        assert old in content
        assert len(old) == len(new)
        rehashed(path, content.replace(old, new))

    return plant


def flipped(old: bytes, position: int, bit: int) -> Callable[[Path], None]:
    new = bytearray(old)
    new[position] ^= 1 << bit
    return replaced(old, bytes(new))


def swapped(path: Path) -> None:
    """Both functions called by the other's name."""
    first, second = (b"size_%dx%d" % size for size in SIZES)
    content = (path / package.PROGRAM).read_bytes()
    rehashed(
        path, content.replace(first, b"\0" * len(first)).replace(second, first).replace(b"\0" * len(first), second)
    )


def cut(path: Path) -> None:
    os.truncate(path / package.PROGRAM, 2000)
    rehashed(path, (path / package.PROGRAM).read_bytes())


def another(make: Callable[[], ExportedProgram]) -> Callable[[Path], None]:
    """The program of another net in place of this one's."""

    def plant(path: Path) -> None:
        shutil.rmtree(path)
        written(path, make())

    return plant


def otherwise_trained() -> ExportedProgram:
    net = Net().eval()
    nn.init.normal_(net.head.weight)
    return exported(net)


def of_other_classes() -> ExportedProgram:
    net = Net().eval()
    net.head = nn.Linear(24, 5)
    return exported(net)


HEAD, FIRST = NET.head.weight.detach(), NET.layers[0].weight.detach()
STORED = HEAD.numpy().tobytes()
SCALES = (FIRST.abs().flatten(1).amax(1) / 127).numpy()
CODES = (FIRST / torch.from_numpy(SCALES).view(-1, 1, 1, 1)).round().to(torch.int8).numpy()
INDICES, ENTRIES = palettized(NET.layers[2].weight.detach(), 6)
TABLES = ENTRIES.numpy().astype(np.float16).reshape(3, 64)
PACKED = np.packbits(
    np.unpackbits(INDICES.astype(np.uint8)[..., None], axis=-1, bitorder="little")[..., :6], bitorder="little"
)
"""Indices of 6 bits as the file has them, the lower bits first."""

FAULTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a bit of a weight": ("fp32", flipped(STORED, 4 * int(HEAD.abs().argmax()) + 3, 0)),
    "the sign of a weight": ("fp32", flipped(STORED, 4 * int(HEAD.abs().argmax()) + 3, 7)),
    "a transposed constant": (
        "fp32",
        replaced(STORED, np.ascontiguousarray(HEAD.numpy().reshape(24, 7).T).tobytes()),
    ),
    "weights of zero": ("fp32", replaced(STORED, bytes(len(STORED)))),
    "a weight that is no number": ("fp32", replaced(STORED[:4], np.float32(np.nan).tobytes())),
    "a scale": ("int8-weights", replaced(SCALES[:4].tobytes(), (2 * SCALES[:4]).tobytes())),
    "codes of another channel": ("int8-weights", replaced(CODES[:8].tobytes(), CODES[8:16].tobytes())),
    "indices of another channel": (
        "fp16-palette6",
        replaced(PACKED.tobytes(), np.roll(PACKED, len(PACKED) // 24).tobytes()),
    ),
    "tables in another order": ("fp16-palette6", replaced(TABLES.tobytes(), TABLES[:, ::-1].tobytes())),
    "an entry of a table": ("fp16-palette6", flipped(TABLES[0].tobytes(), 1, 6)),
    "a program that is cut short": ("fp32", cut),
    "a program of nothing": ("fp32", lambda path: rehashed(path, package.MAGIC + bytes(64))),
    "swapped functions": ("sizes", swapped),
    "a net of other weights": ("fp32", another(otherwise_trained)),
    "a net of other classes": ("fp32", another(of_other_classes)),
}


@pytest.mark.parametrize("kind", ["fp32", "int8", "int8-weights", "fp16-palette6", "sizes"])
def test_sound_assets_pass(kind: str, assets: Path) -> None:
    precision = Precision.FP32 if kind == "sizes" else Precision(kind)
    assert outcome(assets / f"{kind}.aimodel", precision) == Verdict.PASSED


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_does_not_pass(fault: str, assets: Path, tmp_path: Path) -> None:
    kind, plant = FAULTS[fault]
    path = tmp_path / f"{kind}.aimodel"
    shutil.copytree(assets / path.name, path)
    plant(path)
    precision = Precision.FP32 if kind == "sizes" else Precision(kind)
    assert outcome(path, precision) in (Verdict.FAILED, "refused")


def test_a_size_has_its_own_function(assets: Path) -> None:
    runner = find_target("coreai").load(assets / "sizes.aimodel")
    for size in SIZES:
        images = torch.randn(2, 3, *size)
        with torch.no_grad():
            np.testing.assert_allclose(runner(images.numpy()), NET(images).numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ArtefactError, match=r"12x16, 16x12"):
        runner(np.zeros((1, 3, 8, 8), np.float32))
    assert IMAGES.shape[2:] == SIZES[0]
