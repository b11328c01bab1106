"""What judges a .tflite file beside LiteRT on this machine's CPU. See `converters.contract.Judge`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters import software_driver
from converters.contract import FloatType, Runner, SettingsRun
from converters.errors import ArtefactError, NoRuntimeError
from converters.tflite import arm, gpu

if TYPE_CHECKING:
    import numpy as np


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


class GpuInSoftware:
    """LiteRT's GPU accelerator over a software Vulkan driver: in fp16, as phones run it, and again in fp32."""

    floats = FloatType.FP16
    images = 32

    def __init__(self) -> None:
        self._left: list[str] = []

    @property
    def runtime(self) -> str:
        """In words, with the driver where there is one, and after a run with what the accelerator left to the CPU."""
        driver = software_driver.find_driver()
        words = [] if driver is None else [f"{driver.words}; floats are fp16"]
        words += [f"left to the CPU: {', '.join(self._left)}"] if self._left else []
        return "; ".join(["LiteRT's GPU accelerator over a software driver", *words])

    def missing(self) -> str | None:
        return software_driver.missing()

    def load(self, path: Path) -> Runner:
        return self._runner(path, FloatType.FP16)

    def run_with_settings(self, path: Path, images: np.ndarray) -> SettingsRun:
        """The accelerator's `enforce_f32`, held against the CPU."""
        from converters.tflite.runtime import load_runner

        expected = load_runner(path)(images)
        try:
            actual = self._runner(path, FloatType.FP32)(images)
        except ArtefactError as error:
            return SettingsRun(words="and in fp32", fault=f"in fp32: {error}")
        found, least = gpu.sqnr_db(actual, expected), gpu.least_db(path)
        fault = None if found >= least else f"in fp32 {found:.1f} dB against the CPU, at least {least:.0f} dB required"
        return SettingsRun(words=f"and in fp32, {found:.1f} dB against the CPU", fault=fault)

    def _runner(self, path: Path, floats: FloatType) -> Runner:
        from converters.tflite.runtime import load_runner

        opened: list[gpu.GpuInterpreter] = []

        def on_gpu(path: Path, host: Any) -> gpu.GpuInterpreter:
            opened.append(gpu.open_on_gpu(path, host, floats))
            return opened[-1]

        runner = load_runner(path, on=on_gpu)

        def run(images: np.ndarray) -> np.ndarray:
            outputs = runner(images)
            self._left = opened[0].left_to_cpu()
            return outputs

        return run
