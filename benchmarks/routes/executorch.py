"""ExecuTorch's stock route: the XNNPACK partitioner, for int8 after PT2E quantization with its XNNPACK quantizer."""

from __future__ import annotations

from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from executorch.exir import to_edge_transform_and_lower
from torch.export import ExportedProgram, export
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from benchmarks.subjects import Subject
from converters.contract import Precision


def convert(subject: Subject, precision: Precision, folder: Path) -> Path:
    program = export(subject.reference.module, (subject.example,))
    if precision is Precision.INT8:
        program = quantize(program, subject)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = folder / f"{precision}.pte"
    path.write_bytes(lowered.to_executorch().buffer)
    return path


def quantize(program: ExportedProgram, subject: Subject) -> ExportedProgram:
    """Static, symmetric, per channel: the configuration of executorch's own XNNPACK tutorial."""
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    observed = prepare_pt2e(program.module(), quantizer)
    with torch.no_grad():
        for image in subject.calibration.batches(1):
            observed(torch.from_numpy(image))
    return export(convert_pt2e(observed), (subject.example,))
