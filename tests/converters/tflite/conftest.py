"""A small model, its program, and its file, once for all tests of written files."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import ExportedProgram

from converters.contract import Artefact, Precision
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite.small import IMAGE, METADATA, Small
from tests.lowering_helpers import export


@pytest.fixture(scope="session")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="session")
def program(model: nn.Module) -> ExportedProgram:
    return export(model, torch.randn(IMAGE))


@pytest.fixture(scope="session")
def artefact(program: ExportedProgram, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    path = tmp_path_factory.mktemp("tflite") / "small.fp32.tflite"
    return TFLiteTarget().lower(program, Precision.FP32, path, METADATA)
