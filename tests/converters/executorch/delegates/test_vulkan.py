"""Files for Android's GPUs: lowered and reported, and not run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.preprocess import Preprocess
from converters.contract import Precision
from converters.errors import ArtefactError, NoRuntimeError
from converters.executorch.delegates.vulkan import VulkanDelegateTarget
from evit_mobile.commands.proving import Standard, Written, prove
from evit_mobile.findings import Verdict
from evit_mobile.images.data import held_out_images
from evit_mobile.reference import load_reference
from evit_mobile.validation.verdict import Terms
from tests.converters.executorch.delegates.layers import IMAGES, model
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, export

containers = Lazily("converters.executorch.container")
delegates = Lazily("converters.executorch.delegate")
graphs = Lazily("converters.executorch.graph")


def delegate(*types: str) -> bytes:
    """The bytes of a delegate with a sum of tensors of these types, in executorch's own form."""
    from executorch.backends.vulkan.serialization import vulkan_graph_schema as schema
    from executorch.backends.vulkan.serialization.vulkan_graph_serialize import serialize_vulkan_graph

    tensors = [
        schema.VkTensor(datatype=schema.VkDataType[name], dims=[1, 3, 8, 8], constant_id=-1, mem_obj_id=-1)
        for name in types
    ]
    graph = schema.VkGraph(
        version="0",
        chain=[schema.OperatorCall(node_id=1, name="aten.add.Tensor", args=[0, 0, 1])],
        values=[schema.VkValue(value) for value in (*tensors, schema.Int(1))],
        input_ids=[0],
        output_ids=[1],
        constants=[],
        shaders=[],
    )
    return serialize_vulkan_graph(graph, [], [])


def written(path: Path, blob: bytes) -> Path:
    """A file whose only operation is a call of that delegate."""
    image = graphs.Tensor(shape=(1, 3, 8, 8), dtype=graphs.DataType.FP32)
    result = graphs.Tensor(shape=(1, 3, 8, 8), dtype=graphs.DataType.FP32)
    path.write_bytes(
        containers.write_container(
            graphs.Graph(inputs=[image], outputs=[result]),
            delegates.Blob(graph=blob, constants={}),
            METADATA,
            "VulkanBackend",
        )
    )
    return path


def test_what_the_delegate_has_is_counted_by_name_and_type(tmp_path: Path) -> None:
    blob = delegate("FLOAT16", "FLOAT16", "FLOAT32", "INT32")
    inspection = VulkanDelegateTarget().inspect(written(tmp_path / "model.vulkan.pte", blob))
    assert inspection.operations == {"aten.add.Tensor": 1}
    assert inspection.dtypes == {"float16": 2, "float32": 1, "int32": 1}
    assert inspection.delegation is not None
    found = inspection.delegation
    assert (found.delegate, found.partitions, found.delegated_ops, found.total_ops) == ("Vulkan", 1, 1, 1)


def test_a_sound_file_has_no_runtime_here_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    blob = delegate("FLOAT32", "FLOAT32")
    with pytest.raises(NoRuntimeError, match="run the file on an Android phone"):
        VulkanDelegateTarget().load(written(tmp_path / "model.vulkan.pte", blob))
    for damaged in (b"", bytes(100), blob[:60]):
        with pytest.raises(ArtefactError, match="a Vulkan delegate that cannot be read"):
            VulkanDelegateTarget().load(written(tmp_path / "model.vulkan.pte", damaged))


@pytest.mark.slow
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_vulkan_is_lowered_reported_and_not_run(precision: Precision, tmp_path: Path) -> None:
    target, path = VulkanDelegateTarget(), tmp_path / "model.vulkan.pte"
    artefact = target.lower(export(model(), IMAGES[:1]), precision, path, METADATA)
    inspection = target.inspect(path)
    assert inspection.delegation is not None
    assert (inspection.delegation.delegate, inspection.delegation.partitions) == ("Vulkan", 1)
    assert inspection.delegation.delegated_ops == inspection.delegation.total_ops >= 4
    assert (
        max(inspection.dtypes, key=inspection.dtypes.__getitem__) == {"fp32": "float32", "fp16": "float16"}[precision]
    )
    with pytest.raises(NoRuntimeError, match="Android"):
        target.load(path)
    held_out = held_out_images(None, None, Preprocess(size=(8, 8)), 0, 4)
    terms = Terms(precision=precision)
    standard = Standard(reference=load_reference("efficientvit_m0"), held_out=held_out, stages=[])
    validation = prove(target, Written(path=path, format=artefact.format), standard, terms)
    assert (validation.verdict, validation.images) == (Verdict.NOT_RUN, 0)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ArtefactError):
        target.load(path)
