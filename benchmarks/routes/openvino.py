"""OpenVINO's stock route: its PyTorch frontend, then nncf's post-training quantization."""

from __future__ import annotations

from pathlib import Path

import nncf
import openvino

from benchmarks.subjects import Subject
from converters.contract import Precision


def convert(subject: Subject, precision: Precision, folder: Path) -> Path:
    float_path = folder / "fp32.xml"
    if precision is Precision.FP32:
        shape = list(subject.example.shape)
        model = openvino.convert_model(subject.reference.module, example_input=subject.example, input=shape)
        openvino.save_model(model, float_path, compress_to_fp16=False)
        return float_path
    return quantize(float_path, subject, folder / "int8.xml")


def quantize(float_path: Path, subject: Subject, path: Path) -> Path:
    images = list(subject.calibration.batches(1))
    model = openvino.Core().read_model(float_path)
    quantized = nncf.quantize(model, nncf.Dataset(images), subset_size=len(images))
    openvino.save_model(quantized, path, compress_to_fp16=False)
    return path
