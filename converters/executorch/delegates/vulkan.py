"""A .pte file for Android's GPUs: lowered by executorch's own Vulkan partitioner, and inspected. Nothing here can run it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from converters.contract import Artefact, FloatType, Inspection, Metadata, Precision, Runner, SettingsRun
from converters.errors import NoRuntimeError, ToolchainError
from converters.executorch.damage import damaged
from converters.executorch.quiet import quiet_partitioner, quiet_toolchain
from converters.executorch.target import ExecuTorchTarget
from converters.files import size_bytes, write_bytes
from converters.written import written

if TYPE_CHECKING:
    import numpy as np
    from torch.export import ExportedProgram

    from converters.executorch.container import Container

BACKEND = "VulkanBackend"
DTYPES = {"FLOAT32": "float32", "FLOAT16": "float16"}
"""numpy's names for the types of the delegate's schema, where they differ."""
FALLBACK_REASON = "the Vulkan partitioner did not take it; it runs on executorch's portable kernels"


class VulkanDelegateTarget(ExecuTorchTarget):
    """The Target of .pte files for GPUs with Vulkan."""

    name = "executorch-vulkan"
    suffix = ".vulkan.pte"
    takes_pixels = False
    precisions = MappingProxyType({Precision.FP32: FloatType.FP32, Precision.FP16: FloatType.FP16})
    runtime = "ExecuTorch with Vulkan, on a GPU (not run here)"

    def lower(self, program: ExportedProgram, precision: Precision, path: Path, metadata: Metadata) -> Artefact:  # noqa: ARG002  # the contract's signature; executorch has no room for it
        self._require()
        content = to_bytes(program, precision)
        write_bytes(path, content)
        inspection = self.inspect(path)
        return written(
            path,
            format=self.name,
            precision=precision,
            inputs=inspection.inputs,
            outputs=inspection.outputs,
            packages=("torch", "executorch"),
        )

    def load(self, path: Path) -> Runner:
        self.inspect(path)
        raise NoRuntimeError(
            got=f"{path.name}, for a GPU with Vulkan",
            allowed="a runtime with that delegate; executorch's Python package has none",
            do="run the file on an Android phone",
        )

    def run_with_settings(self, path: Path, images: np.ndarray) -> SettingsRun | None:  # noqa: ARG002  # the contract's signature
        return None

    def inspect(self, path: Path) -> Inspection:
        self._require()
        with quiet_toolchain():
            from converters.executorch.container import open_container, read_file

            return inspect_container(open_container(read_file(path)), size_bytes(path))


def to_bytes(program: ExportedProgram, precision: Precision) -> bytes:
    """The file's content, by executorch's own route. Raises ToolchainError."""
    with quiet_toolchain(), quiet_partitioner():
        from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner
        from executorch.exir import to_edge_transform_and_lower

        options = {"force_fp16": precision is Precision.FP16}
        try:
            lowered = to_edge_transform_and_lower(program, partitioner=[VulkanPartitioner(options)])
            return bytes(lowered.to_executorch().buffer)
        except Exception as error:  # whatever its passes run into
            raise ToolchainError(
                got=f"a failure of executorch's Vulkan route, {type(error).__name__}: {error}",
                allowed="a program that it can lower",
                do="choose another delegate",
            ) from error


def inspect_container(container: Container, size: int) -> Inspection:
    """The delegation report: what Vulkan takes, in how many pieces, and what is left. Raises ArtefactError."""
    from converters.executorch.inspect import Taken, inspection_of

    graphs = [read_graph(container.blob(one)) for one in container.plan.delegates if one.id == BACKEND]
    taken = Taken(
        delegate="Vulkan",
        backend=BACKEND,
        partitions=len(graphs),
        operations=Counter(call.name for graph in graphs for call in graph.chain),
        dtypes=Counter(name for graph in graphs for name in tensor_types(graph)),
        otherwise=FALLBACK_REASON,
    )
    return inspection_of(container, size, taken)


def read_graph(blob: bytes) -> Any:
    """The delegate's graph (`VkGraph`). Raises ArtefactError."""
    from executorch.backends.vulkan.serialization import vulkan_graph_serialize

    try:
        return vulkan_graph_serialize.flatbuffer_to_vk_graph(vulkan_graph_serialize.extract_vk_flatbuffer(blob))
    except Exception as error:  # whatever its parsing stumbles over
        raise damaged(f"a Vulkan delegate that cannot be read ({type(error).__name__}: {error})") from error


def tensor_types(graph: Any) -> list[str]:
    """The type of every tensor of a graph."""
    tensors = [one.value for one in graph.values if type(one.value).__name__ == "VkTensor"]
    return [DTYPES.get(tensor.datatype.name, tensor.datatype.name.lower()) for tensor in tensors]
