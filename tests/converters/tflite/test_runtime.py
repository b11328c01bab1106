"""Running a written file: batches, threads, layouts, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from converters.contract import Artefact, Layout, Precision
from converters.errors import ArtefactError
from converters.tflite.runtime import image_layout, load_runner, quiet, to_codes, to_values
from converters.tflite.structure import read_model
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite.small import IMAGE, METADATA
from tests.lowering_helpers import export


@pytest.mark.parametrize("count", [1, 3])
def test_load_runs_batches_of_any_size(artefact: Artefact, model: nn.Module, count: int) -> None:
    images = torch.randn(count, *IMAGE[1:])
    outputs = TFLiteTarget().load(artefact.path)(images.numpy())
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, model(images).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_threads_change_nothing_but_the_time(artefact: Artefact) -> None:
    images = torch.randn(IMAGE).numpy()
    one, two = (load_runner(artefact.path, threads=threads)(images) for threads in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_an_image_output_comes_back_as_nchw(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 5, 1)
    images = torch.randn(2, 3, 4, 6)
    path = tmp_path / "image.tflite"
    TFLiteTarget().lower(export(conv, images[:1]), Precision.FP32, path, METADATA)
    np.testing.assert_allclose(load_runner(path)(images.numpy()), conv(images).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (3, 16, 16), (0, 3, 16, 16), (1, 1, 16, 16)])
def test_images_of_another_shape_are_refused(artefact: Artefact, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        load_runner(artefact.path)(np.zeros(shape, np.float32))


def test_a_file_with_a_larger_batch_takes_multiples_of_it(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 2, 1)
    path = tmp_path / "pairs.tflite"
    TFLiteTarget().lower(export(conv, torch.randn(2, 3, 4, 4)), Precision.FP32, path, METADATA)
    images = torch.randn(4, 3, 4, 4)
    np.testing.assert_allclose(load_runner(path)(images.numpy()), conv(images).detach().numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of 2"):
        load_runner(path)(images[:3].numpy())


def test_a_file_with_two_outputs_is_an_artefact_error(artefact: Artefact, tmp_path: Path) -> None:
    import flatbuffers

    _, tables = read_model(artefact.path)
    tables.metadata, tables.signatureDefs = [], []
    tables.subgraphs[0].outputs = [*tables.subgraphs[0].outputs, tables.subgraphs[0].operators[2].outputs[0]]
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "two.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError, match="2 outputs"):
        load_runner(path)


def test_what_the_runtime_refuses_is_an_artefact_error(artefact: Artefact, tmp_path: Path) -> None:
    import flatbuffers

    _, tables = read_model(artefact.path)
    tables.metadata = []
    tables.operatorCodes[0].version = 99
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "newer.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError, match="LiteRT refuses"):
        load_runner(path)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((1, 224, 224, 3), Layout.NHWC),
        ((1, 3, 224, 224), Layout.NCHW),
        ((1, 3, 5, 3), Layout.NHWC),  # three rows of an image
        ((1, 64, 7, 7), Layout.NHWC),
        ((1, 1000), None),
        ((1, 49, 64), None),
    ],
)
def test_the_layout_is_told_by_where_three_colours_lie(shape: tuple[int, ...], layout: Layout | None) -> None:
    assert image_layout(shape) is layout


def test_values_become_codes_and_stay_within_them() -> None:
    detail = {"dtype": np.int8, "quantization": (0.5, -3)}
    codes = to_codes(np.array([0.0, 0.74, 0.76, -100.0, 100.0], np.float32), detail)
    assert (codes.dtype, codes.tolist()) == (np.int8, [-3, -2, -1, -128, 127])


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_other_inputs_take_values_as_they_are(dtype: type) -> None:
    values = to_codes(np.array([0.0, 7.0, 255.0], np.float32), {"dtype": dtype})
    assert (values.dtype, values.tolist()) == (dtype, [0, 7, 255])


def test_outputs_mean_floats() -> None:
    floats = np.array([1.5], np.float32)
    assert to_values(floats, {"dtype": np.float32}) is floats
    for codes, values in (
        (np.array([-128, 0, 127], np.int8), [-62.5, 1.5, 65.0]),
        (np.array([255], np.uint8), [129.0]),
    ):
        given = to_values(codes, {"dtype": codes.dtype.type, "quantization": (0.5, -3)})
        assert (given.dtype, given.tolist()) == (np.float32, values)


def test_what_native_code_says_meanwhile_is_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate\n")
    os.write(2, b"after\n")
    with pytest.raises(RuntimeError), quiet():
        raise RuntimeError
    os.write(2, b"again\n")
    assert capfd.readouterr().err == "after\nagain\n"
