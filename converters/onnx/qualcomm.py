"""Files for one of Qualcomm's SoCs: ONNX Runtime's QNN provider on an .onnx file, judged by the emulator of that SoC."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from converters.contract import Artefact, FloatType, Inspection, Metadata, Precision, Runner
from converters.errors import ArtefactError, ToolchainError
from converters.onnx.compiled import Compiled, packed
from converters.onnx.target import OnnxRunner, OnnxTarget
from converters.qualcomm import libraries
from converters.qualcomm.emulator import Emulator
from converters.qualcomm.runner import EmulatedRunner
from converters.qualcomm.socs import Soc, find_soc

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch.export import ExportedProgram

WORKER = Path(__file__).with_name("compile_worker.py")
LAST_WORDS = 500
"""Characters of what the compiler printed that an error repeats."""
LIMIT_S = 1800.0


class OnnxQualcommTarget:
    """.onnx files that ONNX Runtime's QNN provider gives Hexagon as they are, in no other SoC. They are made of portable ones."""

    precisions = MappingProxyType(dict.fromkeys((Precision.INT8, Precision.INT8_FULL, Precision.A16W8), FloatType.FP32))
    evaluated = True
    several_sizes = False
    takes_pixels = False
    floats = FloatType.FP16
    images = 32

    def __init__(self, soc: str) -> None:
        self.soc = find_soc(soc)
        self.name = self.soc.format_of("onnx")
        self.suffix = f".{self.soc.name.lower()}.onnx"
        self.runtime = self.soc.emulator

    def missing(self) -> str | None:
        return OnnxTarget().missing() or libraries.missing()

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:
        with TemporaryDirectory() as folder:
            portable = Path(folder, "portable.onnx")
            OnnxTarget().lower(program, precision, portable, metadata)
            return self.compile(portable, precision, path)

    def compile(self, portable: Path, precision: Precision, path: Path) -> Artefact:
        """The file at `portable`, compiled, as `path`. Raises ArtefactError for one that was not written here, ToolchainError where the
        compiler does not take it whole.
        """
        from converters.files import write_bytes
        from converters.onnx.file import read_model, stated
        from converters.written import written

        source, description = OnnxTarget().inspect(portable), stated(read_model(portable))
        write_bytes(path, packed(compiled_model(portable, self.soc), source, self.soc.name, description))
        artefact = written(
            path,
            format=self.name,
            precision=precision,
            inputs=source.inputs,
            outputs=source.outputs,
            packages=("onnx", "onnxruntime", "onnxruntime-qnn", "torch"),
        )
        return replace(artefact, soc=self.soc.name, reproducible=False)

    def load(self, path: Path) -> Runner:
        compiled = self._opened(path)
        binary, (image,), (logits,) = compiled.binary(), compiled.inputs, compiled.outputs
        return EmulatedRunner(lambda: OnnxRunner(Emulator(binary, self.soc), image, logits))

    def inspect(self, path: Path) -> Inspection:
        return self._opened(path).inspection(self.soc.hexagon)

    def _opened(self, path: Path) -> Compiled:
        """Raises ArtefactError for a file that is compiled for another SoC, and as `Compiled`."""
        compiled = Compiled(path)
        if compiled.soc != self.soc.name:
            raise ArtefactError(
                got=f"{path}, which is compiled for {compiled.soc}",
                allowed=f"a file for {self.soc.name}",
                do="rename it back, or compile the model for this SoC",
            )
        return compiled


def compiled_model(portable: Path, soc: Soc) -> ModelProto:
    """What the provider makes of the file. Raises ToolchainError."""
    from onnx import load

    with TemporaryDirectory() as folder:
        compiled = Path(folder, "compiled.onnx")
        command = [sys.executable, str(WORKER), str(portable), str(compiled), str(soc.number)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False
            )
            words = (done.stdout + done.stderr).strip()
        except subprocess.TimeoutExpired:
            words = f"no answer within {LIMIT_S:.0f} s"
        if not compiled.exists():
            raise ToolchainError(
                got=f"{portable.name}, which Qualcomm's compiler does not take for {soc.name}: {words[-LAST_WORDS:]}",
                allowed="operations that the NPU of this SoC has",
                do="try --int8-full or another SoC, or use the file without --soc",
            )
        return load(str(compiled))
