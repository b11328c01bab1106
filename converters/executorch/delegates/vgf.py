"""A .pte file for GPUs with neural units, which Arm's extensions for Vulkan reach: lowered by executorch's own VGF partitioner, and run by
Arm's emulation layer over a software driver.

int8 cannot be lowered (docs/gpu.md says by what it is stopped). executorch 1.5 has no such delegate any more.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from converters import software_driver as driver
from converters.contract import Artefact, FloatType, Inspection, Metadata, Precision, Runner, SettingsRun
from converters.errors import ArtefactError, NoRuntimeError, ToolchainError
from converters.executorch.delegates import tosa
from converters.executorch.quiet import quiet_partitioner, quiet_toolchain
from converters.executorch.target import ExecuTorchTarget
from converters.files import size_bytes, write_bytes
from converters.written import written

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from converters.executorch.container import Container

BACKEND = "VgfBackend"
PACKAGES = ("model_converter", "emulation_layer", "tosa_serializer", "ml_dtypes")
FALLBACK_REASON = "the VGF partitioner did not take it; it runs on executorch's portable kernels"
WORKER = Path(__file__).with_name("vgf_worker.py")
CONVERTER, CONVERTER_PATH = "binaries/bin/model-converter", "MODEL_CONVERTER_PATH"
"""Arm's converter from TOSA, in its package, and the variable by which executorch looks for it before the PATH."""

LOADERS = (Path("/usr/lib/chromium"), Path("/usr/lib/x86_64-linux-gnu"))
"""Where a Vulkan loader may be that knows the extensions: Debian 12's own, 1.3.239, does not, Chromium's does, and Debian 13's should."""


class VgfDelegateTarget(ExecuTorchTarget):
    """The Target of .pte files for GPUs with neural units."""

    name = "executorch-vgf"
    suffix = ".vgf.pte"
    takes_pixels = False
    precisions = MappingProxyType({Precision.FP32: FloatType.FP32})
    runtime = "ExecuTorch with VGF, on a GPU with neural units (not run here)"

    def missing(self) -> str | None:
        absent = [package for package in PACKAGES if find_spec(package) is None]
        if not absent:
            return super().missing()
        return f"{' and '.join(absent)} not installed: pip install 'evit-mobile[vgf]'"

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:  # noqa: ARG002  # the contract's signature; executorch has no room for it
        self._require()
        write_bytes(path, to_bytes(program))
        inspection = self.inspect(path)
        return written(
            path,
            format=self.name,
            precision=precision,
            inputs=inspection.inputs,
            outputs=inspection.outputs,
            packages=("torch", "executorch", "ai_ml_sdk_model_converter"),
        )

    def load(self, path: Path) -> Runner:
        self.inspect(path)
        raise NoRuntimeError(
            got=f"{path.name}, for a GPU with neural units",
            allowed="such a GPU, or Arm's emulation layer over a software driver",
            do=VgfInSoftware().missing() or "ask for the judge vgf",
        )

    def run_with_settings(self, path: Path, images: np.ndarray) -> SettingsRun | None:  # noqa: ARG002  # the contract's signature
        return None

    def inspect(self, path: Path) -> Inspection:
        self._require()
        with quiet_toolchain():
            from converters.executorch.container import open_container, read_file

            return inspect_container(open_container(read_file(path)), size_bytes(path))


class VgfInSoftware:
    """Arm's emulation layer, which computes the extensions' operations in shaders of a software driver."""

    floats = FloatType.FP32
    images = 32
    runtime = "ExecuTorch's VGF delegate over Arm's emulation layer and a software driver"

    def missing(self) -> str | None:
        lack = VgfDelegateTarget().missing() or driver.missing()
        if lack is None and loader() is None:
            lack = "no Vulkan loader that knows Arm's extensions: install Debian's chromium-common, which brings one"
        return lack

    def load(self, path: Path) -> Runner:
        """Raises ArtefactError, ToolchainError; so does the runner, for a file that does not run."""
        VgfDelegateTarget().inspect(path)
        return lambda images: run_in_child(path, images)


def loader() -> Path | None:
    """The folder of a loader, of the machine's own."""
    return next((folder for folder in LOADERS if (folder / "libvulkan.so.1").exists()), None)


def package(name: str) -> Path:
    """The folder of an installed package."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def environment() -> dict[str, str]:
    """What makes a process compute over the emulation layer."""
    layer, known = package("emulation_layer") / "deploy", driver.environment(driver.folder())
    return {
        **known,
        "LD_LIBRARY_PATH": os.pathsep.join([str(layer / "lib"), str(loader()), known["LD_LIBRARY_PATH"]]),
        "VK_LAYER_PATH": str(layer / "share/vulkan/explicit_layer.d"),
        "VK_INSTANCE_LAYERS": "VK_LAYER_ML_Graph_Emulation:VK_LAYER_ML_Tensor_Emulation",
    }


def run_in_child(path: Path, images: np.ndarray) -> np.ndarray:
    """The file's outputs for images (B, 3, H, W). Raises ArtefactError where it does not run."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "inputs.npy"), Path(folder, "outputs.npy")
        np.save(inputs, images)
        command = [sys.executable, "-P", str(WORKER), str(path), str(inputs), str(outputs)]
        known = {**os.environ, **environment()}
        child = subprocess.run(command, env=known, capture_output=True, text=True, errors="replace", check=False)
        if child.returncode:
            said = (child.stderr.strip().splitlines() or ["no message"])[-1]
            raise ArtefactError(
                got=f"{path.name}, which does not run over Arm's emulation layer, exit code {child.returncode} ({said})",
                allowed="a file that its runtime computes",
                do="convert the model again",
            )
        result: np.ndarray = np.load(outputs)
        return result


def to_bytes(program: ExportedProgram) -> bytes:
    """The file's content, by executorch's own route. Raises ToolchainError."""
    with quiet_toolchain(), quiet_partitioner(logging.WARNING), converter_named(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the route's own, of calls that it makes itself
        from executorch.backends.arm.vgf import VgfCompileSpec, VgfPartitioner
        from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

        try:
            lowered = to_edge_transform_and_lower(
                program,
                partitioner=[VgfPartitioner(VgfCompileSpec())],
                compile_config=EdgeCompileConfig(_check_ir_validity=False),
            )
            return bytes(lowered.to_executorch().buffer)
        except Exception as error:  # whatever its passes run into
            began = first_cause(error)
            raise ToolchainError(
                got=f"a failure of executorch's VGF route, {type(began).__name__}: {began}",
                allowed="a program that it can lower",
                do="choose another delegate",
            ) from error


def first_cause(error: BaseException) -> BaseException:
    """What an error began with: around it, passes name all that came before them."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


@contextmanager
def converter_named() -> Iterator[None]:
    """Has executorch find the installed converter, also where its script is not on the PATH."""
    before = os.environ.get(CONVERTER_PATH)
    os.environ[CONVERTER_PATH] = before or str(package("model_converter") / CONVERTER)
    try:
        yield
    finally:
        if before is None:
            del os.environ[CONVERTER_PATH]


def inspect_container(container: Container, size: int) -> Inspection:
    """The delegation report: what VGF takes, in how many pieces, and what is left. Raises ArtefactError."""
    from converters.executorch.inspect import Taken, inspection_of

    taken = [tosa.operations(container.blob(one)) for one in container.plan.delegates if one.id == BACKEND]
    operations = sum(taken, Counter[str]())
    report = Taken(
        delegate="VGF",
        backend=BACKEND,
        partitions=len(taken),
        operations=operations,
        dtypes=Counter({"float32": operations.total()}),
        otherwise=FALLBACK_REASON,
    )
    return inspection_of(container, size, report)
