"""Several sizes in one package: every function is the package of its size, weights are shared, and a wrong function is caught."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Precision
from converters.coreml import package, runtime, toolchain
from converters.coreml.inspect import inspect
from converters.coreml.lower import lower
from converters.coreml.options import TENSORS, OptionError, Options
from converters.coreml.target import CoreMLTarget
from converters.errors import ArtefactError
from converters.files import sha256, size_bytes
from converters.interface import Function, function_name
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import METADATA, export, plan, seeded
from tests.converters.coreml.test_options import NORMALIZATION, normalized
from tests.converters.coreml.test_runtime import FakeModel

SIZES = ((16, 16), (24, 16))
LAST = function_name(*SIZES[-1])
PRECISIONS = (Precision.FP16, Precision.INT8, Precision.FP16_PALETTE6)


class Pooled(nn.Module):
    """The same weights for every size, as in the variants; the mean is of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.mix, self.linear = nn.Conv2d(3, 64, 3, 2, 1), nn.Conv2d(64, 64, 1), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.mix(torch.relu(self.conv(x))))
        out: Tensor = self.linear(x.flatten(2).mean(2))
        return out


def pixels(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 3, *size))


def programs(precision: Precision) -> list[ExportedProgram]:
    found = []
    for size in SIZES:
        image = torch.from_numpy(normalized(pixels(size)))[:1]
        program = export(seeded(Pooled), image)
        found.append(quantize_program(program, plan(program, image)) if precision.quantized else program)
    return found


def written(path: Path, precision: Precision = Precision.FP16, options: Options = TENSORS) -> Path:
    first, *further = programs(precision)
    CoreMLTarget(options, [Function(program=one) for one in further]).lower(first, precision, path, METADATA)
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that takes tensors; not to be changed."""
    return written(tmp_path_factory.mktemp("plain") / "p.mlpackage")


@pytest.fixture(scope="module")
def of_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that takes images; not to be changed."""
    return written(tmp_path_factory.mktemp("images") / "p.mlpackage", options=Options(pixels=NORMALIZATION))


@pytest.mark.parametrize("options", [pytest.param(TENSORS, marks=pytest.mark.slow), Options(pixels=NORMALIZATION)])
@pytest.mark.parametrize(
    "precision", [one if one is Precision.INT8 else pytest.param(one, marks=pytest.mark.slow) for one in PRECISIONS]
)
def test_every_function_is_the_package_of_its_size(precision: Precision, options: Options, tmp_path: Path) -> None:
    path = written(tmp_path / "p.mlpackage", precision, options)
    run = runtime.load(path)
    for size, program in zip(SIZES, programs(precision), strict=True):
        alone = tmp_path / "alone.mlpackage"
        lower([Function(program=program)], precision, alone, METADATA, options)
        images = normalized(pixels(size))
        np.testing.assert_array_equal(run(images), runtime.load(alone)(images))
        assert size_bytes(path / "Data" / package.WEIGHTS) < 1.5 * size_bytes(alone / "Data" / package.WEIGHTS)


def test_the_first_size_is_the_default_and_describes_the_package(plain: Path) -> None:
    description = package.read(plain).specification.description
    assert (description.defaultFunctionName, len(description.functions)) == (function_name(*SIZES[0]), len(SIZES))
    assert description.metadata.shortDescription == METADATA.description
    found = inspect(plain)
    assert found.inputs[0].shape == (1, 3, *SIZES[0])
    assert found.operations["linear"] == len(SIZES)
    assert f"function {LAST}: image (1, 3, 24, 16)" in found.notes


def test_the_same_programs_give_the_same_bytes(plain: Path, tmp_path: Path) -> None:
    assert sha256(written(tmp_path / "p.mlpackage")) == sha256(plain)


def test_a_size_that_the_package_has_not_is_an_error(plain: Path) -> None:
    run = runtime.load(plain)
    with pytest.raises(ArtefactError, match="size_32x32"):
        run(np.zeros((1, 3, 32, 32), np.float32))


@pytest.mark.parametrize("options", [Options(release=17), Options(classes=True)])
def test_what_cannot_have_several_functions_is_refused(options: Options, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="several input sizes"):
        written(tmp_path / "p.mlpackage", options=options)
    assert not list(tmp_path.iterdir())


def copied(path: Path, folder: Path) -> Path:
    return Path(shutil.copytree(path, folder / path.name))


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """The package with its specification changed."""
    members = package.read(path)
    change(members.specification)
    members.model.write_bytes(members.specification.SerializeToString())
    return path


def operations(specification: Any, function: str) -> list[Any]:
    found = specification.mlProgram.functions[function]
    return list(found.block_specializations[found.opset].operations)


def square_for_relu(specification: Any) -> None:
    next(operation for operation in operations(specification, LAST) if operation.type == "relu").type = "square"


def test_a_fault_in_another_function_than_the_default_shows_at_its_size_only(plain: Path, tmp_path: Path) -> None:
    images = [normalized(pixels(size)) for size in SIZES]
    sound = [runtime.load(plain)(one) for one in images]
    run = runtime.load(changed(copied(plain, tmp_path), square_for_relu))
    np.testing.assert_array_equal(run(images[0]), sound[0])
    assert abs(run(images[1]) - sound[1]).max() > 0.1 * abs(sound[1]).max()


def exchanged(specification: Any) -> None:
    first, second = specification.description.functions
    first.name, second.name = second.name, first.name


def unknown_default(specification: Any) -> None:
    specification.description.defaultFunctionName = "size_9x9"


def undescribed(specification: Any) -> None:
    del specification.description.functions[1]


def without_program(specification: Any) -> None:
    del specification.mlProgram.functions[LAST]


def another_size(specification: Any) -> None:
    specification.description.functions[1].input[0].type.imageType.height = 32


def a_tensor(specification: Any) -> None:
    array = specification.description.functions[1].input[0].type.multiArrayType
    array.dataType = toolchain.load().proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32


@pytest.mark.parametrize(
    "damage",
    [exchanged, unknown_default, undescribed, without_program, another_size, a_tensor],
    ids=lambda d: d.__name__,
)
def test_functions_that_do_not_fit_their_description_are_damage(
    damage: Callable[[Any], None], of_images: Path, tmp_path: Path
) -> None:
    path = copied(of_images, tmp_path)
    with pytest.raises(ArtefactError):
        runtime.load(changed(path, damage))


def test_core_ml_is_asked_for_every_function_by_its_name(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Model(FakeModel):
        def __init__(self, path: str, compute_units: Any, function_name: str) -> None:
            asked.append(function_name)
            super().__init__(path, compute_units)

    monkeypatch.setattr(toolchain.load().models, "MLModel", Model)
    run = runtime.load(plain, evaluated=False)
    assert asked == ["size_16x16", "size_24x16"]
    images = np.ones((2, 3, *SIZES[1]), np.float32)
    np.testing.assert_array_equal(run(images), 2 * images)
