"""Pixels in, probabilities out. What needs Apple's wheels is opt-in: `make test-coreai`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.contract import Layout, Precision
from converters.coreai import package, toolchain
from converters.coreai.ends import with_ends
from converters.coreai.per_operation import differences
from converters.coreai.runtime import normalization_of
from converters.coreai.target import CoreAITarget
from converters.errors import ArtefactError
from converters.interface import Function, Interface, Normalization, function_name
from converters.lifting import exported_again
from converters.quantized_program import graph_module
from tests.converters.coreai.test_coreai_asset import METADATA, NET, PROGRAMS, computed, exported

NORMALIZATION = Normalization(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
ENDS = Interface(pixels=NORMALIZATION, classes=True)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3, 12, 16)).astype(np.uint8)
with_wheels = pytest.mark.skipif(toolchain.missing() is not None, reason=f"{toolchain.missing()}")


def normalized(pixels: np.ndarray) -> np.ndarray:
    mean, std = (np.array(values)[:, None, None] for values in (NORMALIZATION.mean, NORMALIZATION.std))
    return ((pixels / 255 - mean) / std).astype(np.float32)


@torch.no_grad()
def probabilities(precision: Precision = Precision.FP32) -> np.ndarray:
    scores = computed(PROGRAMS[precision](), torch.from_numpy(normalized(PIXELS)))
    return torch.from_numpy(scores).softmax(1).numpy()


@torch.no_grad()
def test_a_program_with_both_ends_computes_the_same() -> None:
    program = exported()
    module = graph_module(program)
    example, wide = with_ends(module, program, ENDS)
    assert (tuple(example.shape), example.dtype) == ((1, 12, 16, 3), torch.uint8)
    assert len(wide) == 4
    ended = exported_again(module, program, (example,)).module(check_guards=False)
    found = np.concatenate([ended(torch.from_numpy(one.transpose(1, 2, 0)[None].copy())).numpy() for one in PIXELS])
    np.testing.assert_allclose(found, probabilities(), rtol=1e-5)


def test_without_wishes_nothing_changes() -> None:
    program = exported()
    module = graph_module(program)
    before = str(module.graph)
    example, wide = with_ends(module, program, Interface())
    assert (str(module.graph), wide, example.dtype) == (before, [], torch.float32)


@pytest.mark.parametrize("own", [{"mean": "[0, 0, 0]"}, {"mean": "x", "std": "[1, 1, 1]"}])
def test_a_damaged_normalization_is_refused(own: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / package.PROGRAM).write_bytes(package.MAGIC)
    (tmp_path / package.HASH).write_bytes(hashlib.sha256(package.MAGIC).digest())
    (tmp_path / package.METADATA).write_text(json.dumps({"assetVersion": "2.0", package.OWN: own}))
    with pytest.raises(ArtefactError, match="no readable mean and std"):
        normalization_of(tmp_path)


@pytest.mark.slow
@with_wheels
@pytest.mark.parametrize(
    ("precision", "faithful_db"), [(Precision.FP32, 100), (Precision.FP16, 60), (Precision.INT8, 40)]
)
def test_the_function_of_pixels_is_run(precision: Precision, faithful_db: float, tmp_path: Path) -> None:
    program, target = PROGRAMS[precision](), CoreAITarget(interface=ENDS)
    artefact = target.lower(program, precision, tmp_path / "net.aimodel", METADATA)
    (image,), (output,) = artefact.inputs, artefact.outputs
    assert (image.shape, image.dtype, image.layout) == ((1, 12, 16, 3), "uint8", Layout.NHWC)
    assert output.name == "probabilities"
    assert "Core AI on Linux cannot be given images" in str(artefact.unproven)
    assert [note for note in target.inspect(artefact.path).notes if "main takes an image" in note]
    runner = target.load(artefact.path)
    found = runner(normalized(PIXELS))
    assert np.square(probabilities(precision) - found).mean() < 10 ** (-faithful_db / 10)
    np.testing.assert_array_equal(runner(PIXELS), found)
    with pytest.raises(ArtefactError, match="no 8-bit image"):
        runner(normalized(PIXELS) + 0.01)
    steps = differences(artefact.path, Function(program=program), normalized(PIXELS[:1]))
    assert [step for step in steps if step.quanta > 1] == []


@pytest.mark.slow
@with_wheels
def test_images_of_several_sizes(tmp_path: Path) -> None:
    sizes = ((12, 16), (16, 12))
    programs = [torch.export.export(NET, (torch.zeros(1, 3, *size),)) for size in sizes]
    target = CoreAITarget([Function(program=programs[1])], interface=replace(ENDS, classes=False))
    path = target.lower(programs[0], Precision.FP32, tmp_path / "net.aimodel", METADATA).path
    notes = " ".join(target.inspect(path).notes)
    for size, pixels in zip(sizes, (PIXELS, PIXELS.reshape(3, 3, 16, 12)), strict=True):
        assert f"function {function_name(*size)} takes an image" in notes
        found = target.load(path)(normalized(pixels))
        with torch.no_grad():
            np.testing.assert_allclose(found, NET(torch.from_numpy(normalized(pixels))).numpy(), rtol=1e-4, atol=1e-5)
    again = target.lower(programs[0], Precision.FP32, tmp_path / "again.aimodel", METADATA).path
    assert (again / package.PROGRAM).read_bytes() == (path / package.PROGRAM).read_bytes()
