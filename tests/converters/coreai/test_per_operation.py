"""Which operation of an asset is off, found in Core AI's own runtime. Opt-in: `make test-coreai`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.contract import Precision
from converters.coreai import package, toolchain
from converters.coreai.per_operation import differences
from converters.errors import ArtefactError
from converters.interface import Function
from converters.traits import StepDifference
from evit_mobile.record.files import read_manifest
from tests.converters.coreai.test_coreai_asset import IMAGES, PROGRAMS, written
from tests.converters.coreai.test_coreai_faults import (
    CODES,
    HEAD,
    PACKED,
    SCALES,
    STORED,
    TABLES,
    flipped,
    of_other_classes,
    rehashed,
    replaced,
)
from tests.evit_mobile.test_cli import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(toolchain.missing() is not None, reason=f"{toolchain.missing()}"),
]

LARGEST = int(HEAD.abs().argmax())
FAULTS: dict[str, tuple[Precision, Callable[[Path], None], str]] = {
    "the sign of a weight": (Precision.FP32, flipped(STORED, 4 * LARGEST + 3, 7), "head"),
    "half a weight's digits": (Precision.FP32, flipped(STORED, 4 * LARGEST + 1, 4), "head"),
    "a scale": (Precision.INT8_WEIGHTS, replaced(SCALES[:4].tobytes(), (2 * SCALES[:4]).tobytes()), "layers.0"),
    "a code": (Precision.INT8_WEIGHTS, flipped(CODES.tobytes(), 100, 0), "layers.0"),
    "codes of another channel": (
        Precision.INT8_WEIGHTS,
        replaced(CODES[:8].tobytes(), CODES[8:16].tobytes()),
        "layers.0",
    ),
    "an index": (Precision.FP16_PALETTE6, flipped(PACKED.tobytes(), 100, 0), "layers.2"),
    "an entry of a table": (Precision.FP16_PALETTE6, flipped(TABLES.tobytes(), 100, 2), "layers.2"),
}
"""Of which precision, what is planted, and the module that is off."""


def steps(path: Path, precision: Precision) -> tuple[StepDifference, ...]:
    return differences(path, Function(program=PROGRAMS[precision]()), IMAGES[:1].numpy())


def off(found: tuple[StepDifference, ...]) -> list[StepDifference]:
    return [step for step in found if step.quanta > 1]


@pytest.mark.parametrize("precision", PROGRAMS)
def test_of_a_sound_asset_none_is_off(precision: Precision, tmp_path: Path) -> None:
    found = steps(written(tmp_path / "net.aimodel", PROGRAMS[precision](), precision), precision)
    assert off(found) == []
    assert {"conv2d", "hard_sigmoid+broadcasting_mul", "reduce_mean"} <= {step.operation for step in found}
    assert {"layers.0", "layers.1", "layers.2", "head"} <= {step.module for step in found}
    assert ("quantize" in {step.operation for step in found}) == precision.calibrated


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_at_its_layer_alone(fault: str, tmp_path: Path) -> None:
    precision, plant, module = FAULTS[fault]
    path = written(tmp_path / "net.aimodel", PROGRAMS[precision](), precision)
    plant(path)
    assert {step.module for step in off(steps(path, precision))} == {module}


def test_an_asset_of_another_program_is_told_from_it(tmp_path: Path) -> None:
    path = written(tmp_path / "net.aimodel", of_other_classes())
    with pytest.raises(ArtefactError, match=r"operation \d+ is constant tensor<.*, where the program has constant"):
        steps(path, Precision.FP32)


LONGEST_SUM = "head.classifier.4"
"""1,600 products, which Core AI on Linux adds up in fp16."""


def off_modules(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str) -> set[str]:
    """Modules of what `validate --per-operation` finds off."""
    run(monkeypatch, *arguments, "--json")
    (check,) = json.loads(capfd.readouterr().out)["operations"]
    assert (check["on"], check["beside"]) == ("coreai", "PyTorch")
    assert check["operations"] > 200
    return {step["module"] for step in check["off"]}


def test_the_command_names_the_operation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", "efficientvit_b0", "--size", "64", "--golden", "0", "--out", str(tmp_path))
    run(monkeypatch, "convert", *options, "--format", "coreai", "--fp16")
    arguments = ("validate", str(tmp_path), "--on", "coreai", "--per-operation")
    capfd.readouterr()
    assert off_modules(monkeypatch, capfd, *arguments) <= {LONGEST_SUM}

    manifest = read_manifest(tmp_path)
    path = tmp_path / manifest.artefacts[0].path
    content = bytearray((path / package.PROGRAM).read_bytes())
    content[len(content) // 2] ^= 64
    rehashed(path, bytes(content))
    (module,) = off_modules(monkeypatch, capfd, *arguments) - {LONGEST_SUM}
    assert module.startswith(("stem.", "stages.", "head."))
