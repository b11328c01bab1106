"""LiteRT's stock route: litert-torch, then ai-edge-quantizer's static int8 recipe on its file."""

from __future__ import annotations

from pathlib import Path

import litert_torch
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

from benchmarks.subjects import Subject
from converters.contract import Precision


def convert(subject: Subject, precision: Precision, folder: Path) -> Path:
    float_path = folder / "fp32.tflite"
    if precision is Precision.FP32:
        litert_torch.convert(subject.reference.module, (subject.example,)).export(str(float_path))
        return float_path
    return quantize(float_path, subject, folder / "int8.tflite")


def quantize(float_path: Path, subject: Subject, path: Path) -> Path:
    ((name, signature),) = Interpreter(str(float_path)).get_signature_list().items()
    source = signature["inputs"][0]
    tool = quantizer.Quantizer(str(float_path))
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    images = [{source: image} for image in subject.calibration.batches(1)]
    tool.quantize(tool.calibrate({name: images})).export_model(str(path), overwrite=True)
    return path
