"""Files for one of Qualcomm's SoCs: LiteRT's ahead-of-time compiler on a .tflite file, judged by the emulator of that SoC."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from converters.contract import Artefact, FloatType, Inspection, Precision, Runner, Target
from converters.errors import ArtefactError
from converters.qualcomm import libraries
from converters.qualcomm.compiler import Compiler
from converters.qualcomm.emulator import Emulator
from converters.qualcomm.runner import EmulatedRunner
from converters.qualcomm.socs import Soc
from converters.qualcomm.target import CompiledTarget
from converters.tflite.compiled import Compiled
from converters.tflite.runtime import LiteRTRunner
from converters.traits import StepDifference

if TYPE_CHECKING:
    import numpy as np

MAKER = "Qualcomm"
TOOL = Path("tools/apply_plugin_main")
"""LiteRT's ahead-of-time compiler, inside its package. Its own wrapper, `ai_edge_litert.aot.core.apply_plugin`, sets no time limit."""


class QualcommTarget(CompiledTarget):
    """.tflite files that Hexagon runs as they are, and in no other SoC. They are made of the files that LiteRT's own target writes."""

    precisions = MappingProxyType(dict.fromkeys((Precision.INT8, Precision.INT8_FULL), FloatType.FP32))
    made_from = "tflite"

    def portable(self) -> Target:
        from converters.tflite.target import TFLiteTarget

        return TFLiteTarget()

    def compile(self, portable: Path, precision: Precision, path: Path) -> Artefact:
        from converters.files import write_bytes
        from converters.tflite.structure import is_signed, read_model, signed

        content, _ = read_model(portable)
        if not is_signed(content):
            raise ArtefactError(
                got=f"{portable}, which carries no digest of its bytes",
                allowed="a .tflite file that `evit-mobile convert` wrote",
                do="convert the model",
            )
        write_bytes(path, signed(compiled_bytes(portable, self.soc)))
        return self.described(path, precision, self.inspect(path), ("ai-edge-litert", "onnxruntime-qnn", "torch"))

    def load(self, path: Path) -> Runner:
        compiled = self._opened(path)
        binary, inspection = compiled.binary(), compiled.inspection(self.runtime)
        return EmulatedRunner(
            lambda core: Emulator(binary, self.soc, core),
            lambda emulator: LiteRTRunner(EmulatedInterpreter(emulator, inspection)),
        )

    def steps(self, path: Path, image: np.ndarray) -> tuple[StepDifference, ...]:
        from converters.tflite.per_operation import differences

        return differences(path, self.soc, image, compiled_bytes)

    def inspect(self, path: Path) -> Inspection:
        return self._opened(path).inspection(self.soc.hexagon)

    def _opened(self, path: Path) -> Compiled:
        """Raises ArtefactError for a file that is compiled for another SoC, and as `Compiled`."""
        compiled = Compiled(path)
        self.check_soc(path, compiled.soc)
        return compiled


def compiled_bytes(portable: Path, soc: Soc) -> bytes:
    """What LiteRT's compiler makes of the file. Raises ToolchainError."""
    from ai_edge_litert.aot.core.common import construct_ld_library_path, get_resource
    from ai_edge_litert.aot.vendors.qualcomm.qualcomm_backend import COMPILER_PLUGIN_LIB_PATH

    with TemporaryDirectory() as folder, libraries.search_path() as search_path:
        written = Path(folder, "compiled.tflite")
        command = [
            str(get_resource(TOOL)),
            "--cmd=apply",
            f"--model={portable}",
            f"--o={written}",
            f"--soc_manufacturer={MAKER}",
            f"--soc_model={soc.name}",
            f"--libs={get_resource(COMPILER_PLUGIN_LIB_PATH).parent}",
        ]
        environment = {"LD_LIBRARY_PATH": os.pathsep.join([search_path, construct_ld_library_path()])}
        Compiler(command=command, portable=portable, written=written, soc=soc, environment=environment).run()
        return written.read_bytes()


class EmulatedInterpreter:
    """What `LiteRTRunner` calls of an interpreter, answered by the emulator."""

    def __init__(self, emulator: Emulator, inspection: Inspection) -> None:
        self._emulator = emulator
        self._inputs, self._outputs = _details(inspection.inputs), _details(inspection.outputs)

    def get_input_details(self) -> list[dict[str, Any]]:
        return self._inputs

    def get_output_details(self) -> list[dict[str, Any]]:
        return self._outputs

    def set_tensor(self, _index: int, values: np.ndarray) -> None:
        self._values = values

    def invoke(self) -> None:
        (self._output,) = self._emulator(self._values)

    def get_tensor(self, _index: int) -> np.ndarray:
        return self._output


def _details(specs: Sequence[Any]) -> list[dict[str, Any]]:
    import numpy as np

    return [
        {
            "index": index,
            "shape": spec.shape,
            "dtype": getattr(np, spec.dtype),
            "quantization": (spec.scale, spec.zero_point),
        }
        for index, spec in enumerate(specs)
    ]
