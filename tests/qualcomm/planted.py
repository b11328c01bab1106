"""Faults to plant, and the images to see them with."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from converters.tflite import structure
from evit_mobile.images.data import Images, calibration_images, held_out_images, preprocess_for
from evit_mobile.reference import Reference


def images_of(reference: Reference) -> tuple[Images, Images]:
    """Bundled ones to calibrate and to judge with."""
    preprocess = preprocess_for(reference.spec, bundled=True)
    calibration = calibration_images(None, preprocess, 0)
    return calibration, held_out_images(None, calibration, preprocess, 0)


def swapped_scales(source: Path, path: Path) -> Path:
    """`source` with the scales of the first convolution's output channels in the opposite order."""
    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    subgraph = model.subgraphs[0]
    several = (
        tensor for tensor in subgraph.tensors if tensor.quantization is not None and _channels(tensor.quantization) > 1
    )
    quantization = next(several).quantization
    quantization.scale = quantization.scale[::-1]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(structure.signed(bytes(builder.Output())))
    return path


def _channels(quantization: schema.QuantizationParametersT) -> int:
    return 0 if quantization.scale is None else len(quantization.scale)
