"""What judges a .tflite file beside LiteRT on this machine's CPU. See `converters.contract.Judge`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from converters.contract import Runner
from converters.errors import NoRuntimeError
from converters.tflite import arm


class ArmInQemu:
    """LiteRT with XNNPACK's Arm kernels, emulated."""

    runtime = f"LiteRT with XNNPACK on an emulated Arm {arm.CORE}"

    def missing(self) -> str | None:
        return arm.missing()

    def load(self, path: Path) -> Runner:
        from converters.tflite.runtime import load_runner

        return load_runner(path, on=arm.open_on_arm)


class Vela:
    """Arm's compiler for Ethos-U NPUs: it says what an NPU would run, and runs nothing."""

    runtime = "Vela, Arm's compiler for Ethos-U, which runs nothing"

    def missing(self) -> str | None:
        return None if find_spec("ethosu") else "ethos-u-vela is not installed: pip install 'evit-mobile[vela]'"

    def load(self, path: Path) -> Runner:
        """Raises NoRuntimeError with what Vela says, always; ArtefactError, ToolchainError."""
        from converters.tflite.npu import compile_for_npu

        taken = [
            f"{one.delegate} takes {one.delegated_ops} of {one.total_ops} operations" for one in compile_for_npu(path)
        ]
        raise NoRuntimeError(
            got=f"{path.name}, compiled only: {'; '.join(taken)}",
            allowed="outputs, which only the NPU gives",
            do="run it on the device",
        )
