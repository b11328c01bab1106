"""Versions of operations and the runtimes that first had them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converters.lowering.values import Quantization
from converters.tflite.flatbuffer import OPTIONS
from converters.tflite.graph import DataType, Operation, Tensor
from converters.tflite.versions import (
    INT8_VERSIONS,
    RANK_VERSIONS,
    RELEASES,
    numbers,
    oldest_release,
    oldest_runtime,
    version,
)
from tests.converters.tflite.tflite_helpers import stored


def test_every_version_that_can_be_written_has_a_release() -> None:
    assert set(OPTIONS) | set(INT8_VERSIONS) <= set(RELEASES)
    for code, releases in RELEASES.items():
        assert {1, INT8_VERSIONS.get(code, 1), *RANK_VERSIONS.get(code, {}).values()} - {1} <= set(releases), code


@pytest.mark.parametrize(
    ("codes", "release", "runtime"),
    [
        ([("ADD", 1)], "1.5.0", "ai-edge-litert 1.4.0 / tflite-runtime 2.14.0"),
        ([("RESHAPE", 1), ("RSQRT", 2), ("TRANSPOSE", 6)], "2.12.0", "ai-edge-litert 1.4.0 / tflite-runtime 2.14.0"),
        ([("GELU", 1), ("LOG", 2), ("EXP", 1)], "2.15.0", "ai-edge-litert 1.4.0"),
    ],
)
def test_the_newest_operation_decides(codes: list[tuple[str, int]], release: str, runtime: str) -> None:
    assert oldest_release(codes) == release
    assert oldest_runtime(release) == runtime


def test_a_file_that_does_not_say_it_has_no_oldest_runtime() -> None:
    assert oldest_runtime(None) is None


CODES, CHANNELS = Quantization(scales=(0.5,)), Quantization(scales=(0.5, 0.25))


def operation(code: str, *inputs: Tensor, **options: object) -> Operation:
    return Operation(code=code, inputs=inputs, output=stored((1, 2), CODES, "y"), options=options)


def image(channels: int, quantization: Quantization | None = None) -> Tensor:
    return stored((1, 4, 4, channels), quantization)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (operation("ADD", image(3), image(3)), 1),
        (operation("ADD", image(3, CODES), image(3, CODES)), 2),
        (operation("RESHAPE", image(3, CODES)), 1),
        (operation("DEQUANTIZE", image(3, CODES)), 2),
        (operation("DEQUANTIZE", replace(image(3), dtype=DataType.FLOAT16)), 3),
        (operation("DEQUANTIZE", image(2, CHANNELS)), 5),
        (operation("CONV_2D", image(4), stored((8, 1, 1, 4))), 1),
        (operation("CONV_2D", image(4, CODES), stored((8, 1, 1, 4), CODES)), 3),
        (operation("CONV_2D", image(4), stored((8, 1, 1, 2))), 6),
        (operation("DEPTHWISE_CONV_2D", image(4), dilationHFactor=1, dilationWFactor=1), 1),
        (operation("DEPTHWISE_CONV_2D", image(4), dilationHFactor=1, dilationWFactor=2), 2),
        (operation("DEPTHWISE_CONV_2D", image(4, CODES), dilationHFactor=2, dilationWFactor=2), 3),
        (operation("FULLY_CONNECTED", stored((1, 4)), keepNumDims=False), 1),
        (operation("FULLY_CONNECTED", stored((1, 4), CODES), keepNumDims=False), 4),
        (operation("FULLY_CONNECTED", stored((1, 4)), keepNumDims=True), 5),
        (operation("TRANSPOSE", stored((1,) * 5)), 4),
        (operation("TRANSPOSE", stored((1,) * 6)), 6),
        (operation("SLICE", stored((1,) * 4, CODES)), 2),
        (operation("SLICE", stored((1,) * 5, CODES)), 5),
        (operation("PAD", stored((1,) * 6)), 4),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
def test_the_lowest_version_that_has_the_form(written: Operation, number: int) -> None:
    assert version(written) == number
    assert number in RELEASES[written.code]


@pytest.mark.parametrize(("scale", "number"), [(0.5, 2), (0.99, 2), (1.0, 3), (2.0, 3)])
def test_a_product_with_a_scale_of_one_or_more_is_newer(scale: float, number: int) -> None:
    first = stored((1, 2), Quantization(scales=(scale,)))
    second = stored((1, 2), CODES)  # 0.5, as the result's
    assert version(operation("MUL", first, second)) == number
    assert version(operation("MUL", stored((1, 2)), stored((1, 2)))) == 1


def test_releases_are_compared_by_number() -> None:
    assert numbers("2.10.0") > numbers("2.9.1")
    assert oldest_release([("EXP", 2), ("CONV_2D", 6)]) == "2.12.0"
