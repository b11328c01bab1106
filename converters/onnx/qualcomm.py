"""Files for one of Qualcomm's SoCs: ONNX Runtime's QNN provider on an .onnx file, judged by the emulator of that SoC."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, FloatType, Inspection, Precision, Runner
from converters.onnx.compiled import Compiled, packed
from converters.onnx.target import OnnxRunner, OnnxTarget
from converters.qualcomm.compiler import Compiler
from converters.qualcomm.emulator import Emulator
from converters.qualcomm.runner import EmulatedRunner
from converters.qualcomm.socs import Soc
from converters.qualcomm.target import CompiledTarget
from converters.traits import StepDifference

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

WORKER = Path(__file__).with_name("compile_worker.py")


class OnnxQualcommTarget(CompiledTarget):
    """.onnx files that ONNX Runtime's QNN provider gives Hexagon as they are, in no other SoC. They are made of portable ones."""

    precisions = MappingProxyType(dict.fromkeys((Precision.INT8, Precision.INT8_FULL, Precision.A16W8), FloatType.FP32))
    made_from = "onnx"

    def portable(self) -> OnnxTarget:
        return OnnxTarget()

    def compile(self, portable: Path, precision: Precision, path: Path) -> Artefact:
        from converters.files import write_bytes
        from converters.onnx.file import read_model, stated

        source, description = OnnxTarget().inspect(portable), stated(read_model(portable))
        write_bytes(path, packed(compiled_model(portable, self.soc), source, self.soc.name, description))
        return self.described(path, precision, source, ("onnx", "onnxruntime", "onnxruntime-qnn", "torch"))

    def load(self, path: Path) -> Runner:
        compiled = self._opened(path)
        binary, (image,), (logits,) = compiled.binary(), compiled.inputs, compiled.outputs
        return EmulatedRunner(
            lambda core: Emulator(binary, self.soc, core), lambda emulator: OnnxRunner(emulator, image, logits)
        )

    def steps(self, path: Path, image: np.ndarray) -> tuple[StepDifference, ...]:
        from converters.onnx.per_operation import differences

        return differences(path, self.soc, image, compiled_model)

    def inspect(self, path: Path) -> Inspection:
        return self._opened(path).inspection(self.soc.hexagon)

    def _opened(self, path: Path) -> Compiled:
        """Raises ArtefactError for a file that is compiled for another SoC, and as `Compiled`."""
        compiled = Compiled(path)
        self.check_soc(path, compiled.soc)
        return compiled


def compiled_model(portable: Path, soc: Soc) -> ModelProto:
    """What the provider makes of the file. Raises ToolchainError."""
    from onnx import load

    with TemporaryDirectory() as folder:
        written = Path(folder, "compiled.onnx")
        command = [sys.executable, str(WORKER), str(portable), str(written), str(soc.number)]
        Compiler(command=command, portable=portable, written=written, soc=soc).run()
        return load(str(written))
