"""The target as the contract sees it: lower, load, inspect; determinism; damaged files."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from converters.contract import Artefact, Layout, Metadata, Precision, TensorSpec
from converters.errors import ArtefactError
from converters.files import sha256
from converters.registry import find_target
from converters.tflite.flatbuffer import read_oldest_release
from converters.tflite.inspect import inspect_file
from converters.tflite.runtime import load_runner
from converters.tflite.structure import read_model
from converters.tflite.target import TFLiteTarget
from tests.converters.tflite.tflite_helpers import content, interpreter
from tests.lowering_helpers import Apply, export, quantize

METADATA = Metadata(description="a small model", author="tests", labels=("cat", "dog"))
IMAGE = (1, 3, 16, 16)


class Small(nn.Module):
    """A little of everything: (1, 3, 16, 16) -> (1, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.value = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        v = self.value(x).flatten(2)
        scores = (v.transpose(1, 2) @ v).softmax(-1)
        x = torch.cat([x, (v @ scores.transpose(1, 2)).view(x.shape)], 1)[:, 4:12]
        out: Tensor = self.head(x.mean((2, 3)))
        return out


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


@pytest.fixture(scope="module")
def program(model: nn.Module) -> ExportedProgram:
    return export(model, torch.randn(IMAGE))


@pytest.fixture(scope="module")
def artefact(program: ExportedProgram, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    path = tmp_path_factory.mktemp("tflite") / "small.fp32.tflite"
    return TFLiteTarget().lower(program, Precision.FP32, path, METADATA)


def test_the_registry_finds_it() -> None:
    target = find_target("tflite")
    assert (target.name, target.suffix, target.missing()) == ("tflite", ".tflite", None)


def test_lower_writes_what_it_says(artefact: Artefact) -> None:
    assert artefact.bytes == artefact.path.stat().st_size
    assert artefact.sha256 == sha256(artefact.path)
    assert artefact.inputs == (TensorSpec(name="image", shape=(1, 16, 16, 3), dtype="float32", layout=Layout.NHWC),)
    assert artefact.outputs == (TensorSpec(name="logits", shape=(1, 4), dtype="float32"),)
    assert set(artefact.toolchain) == {"ai-edge-litert", "flatbuffers", "torch"}
    assert [path.name for path in artefact.path.parent.iterdir()] == [artefact.path.name], (
        "nothing half-written is left"
    )


def test_the_signature_names_input_and_output(artefact: Artefact) -> None:
    signatures = interpreter(artefact.path.read_bytes()).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["image"], "outputs": ["logits"]}}


def test_the_tensors_are_called_as_the_signature_says(artefact: Artefact) -> None:
    loaded = interpreter(artefact.path.read_bytes())
    details = (loaded.get_input_details()[0], loaded.get_output_details()[0])
    assert [detail["name"] for detail in details] == ["image", "logits"]
    names = [detail["name"] for detail in loaded.get_tensor_details()]
    assert names.count("image") == names.count("logits") == 1


def test_the_file_names_the_oldest_runtime(artefact: Artefact) -> None:
    _, tables = read_model(artefact.path)
    (entry,) = (entry for entry in tables.metadata if entry.name == b"min_runtime_version")
    stored = bytes(tables.buffers[entry.buffer].data)
    assert (len(stored), stored.rstrip(b"\0").decode()) == (16, read_oldest_release(tables))
    assert artefact.oldest_runtime == "ai-edge-litert 1.4.0 / tflite-runtime 2.14.0"
    note, *_ = TFLiteTarget().inspect(artefact.path).notes
    assert f"TensorFlow Lite {read_oldest_release(tables)}" in note


def test_the_file_describes_itself(artefact: Artefact) -> None:
    _, tables = read_model(artefact.path)
    assert tables.description.decode() == "a small model"
    (entry,) = (entry for entry in tables.metadata if entry.name == b"description.json")
    assert json.loads(bytes(tables.buffers[entry.buffer].data)) == {
        "author": "tests", "description": "a small model", "labels": ["cat", "dog"]
    }  # fmt: skip


@pytest.mark.parametrize("precision", TFLiteTarget.precisions)
def test_the_same_program_gives_the_same_bytes(model: nn.Module, precision: Precision) -> None:
    x = torch.randn(IMAGE, generator=torch.Generator().manual_seed(0))

    def again() -> bytes:
        fresh = export(model, x)
        floats = ("aten.matmul.default", "aten.softmax.int")
        return content(quantize(fresh, x, floats=floats) if precision is Precision.INT8 else fresh, precision)

    assert again() == again()


@pytest.mark.parametrize("count", [1, 3])
def test_load_runs_batches_of_any_size(artefact: Artefact, model: nn.Module, count: int) -> None:
    images = torch.randn(count, *IMAGE[1:])
    outputs = TFLiteTarget().load(artefact.path)(images.numpy())
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, model(images).detach().numpy(), rtol=1e-4, atol=1e-6)


def test_threads_change_nothing_but_the_time(artefact: Artefact) -> None:
    images = torch.randn(IMAGE).numpy()
    one, two = (load_runner(artefact.path, threads=threads)(images) for threads in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_an_image_output_comes_back_as_nchw(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 5, 1)
    images = torch.randn(2, 3, 4, 6)
    path = tmp_path / "image.tflite"
    TFLiteTarget().lower(export(conv, images[:1]), Precision.FP32, path, METADATA)
    np.testing.assert_allclose(load_runner(path)(images.numpy()), conv(images).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (3, 16, 16), (0, 3, 16, 16), (1, 1, 16, 16)])
def test_images_of_another_shape_are_refused(artefact: Artefact, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        load_runner(artefact.path)(np.zeros(shape, np.float32))


def test_a_file_with_a_larger_batch_takes_multiples_of_it(tmp_path: Path) -> None:
    conv = nn.Conv2d(3, 2, 1)
    path = tmp_path / "pairs.tflite"
    TFLiteTarget().lower(export(conv, torch.randn(2, 3, 4, 4)), Precision.FP32, path, METADATA)
    images = torch.randn(4, 3, 4, 4)
    np.testing.assert_allclose(load_runner(path)(images.numpy()), conv(images).detach().numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="multiple of 2"):
        load_runner(path)(images[:3].numpy())


# Inspection


def test_inspection_counts_operations_and_types(artefact: Artefact) -> None:
    inspection = TFLiteTarget().inspect(artefact.path)
    assert inspection.operations["CONV_2D"] == 2
    assert inspection.operations["BATCH_MATMUL"] == 2
    assert set(inspection.dtypes) == {"float32", "int32"}
    assert inspection.bytes == artefact.bytes
    assert inspection.delegation is not None
    assert inspection.delegation.partitions == 1
    assert inspection.delegation.delegated_ops == inspection.delegation.total_ops == sum(inspection.operations.values())
    assert inspection.delegation.fallback == ()


def test_inspection_says_what_xnnpack_leaves_where_and_why(tmp_path: Path) -> None:
    """A file in which TANH, in the middle, becomes an operation that XNNPACK does not have."""
    from ai_edge_litert import schema_py_generated as schema

    class Middle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)
            self.squash = nn.Tanh()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(self.squash(self.first(x)))
            return out

    import flatbuffers

    file = content(export(Middle(), torch.randn(1, 3, 4, 4)))
    tables = schema.ModelT.InitFromPackedBuf(file, 0)
    (code,) = (code for code in tables.operatorCodes if code.builtinCode == schema.BuiltinOperator.TANH)
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU_0_TO_1, 127
    tables.metadata = []
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "foreign.tflite"
    path.write_bytes(bytes(builder.Output()))
    delegation = inspect_file(path).delegation
    assert delegation is not None
    assert (delegation.partitions, delegation.delegated_ops, delegation.total_ops) == (2, 2, 3)
    (fallback,) = delegation.fallback
    assert (fallback.op, fallback.count, fallback.modules) == ("RELU_0_TO_1", 1, ("squash",))
    assert "no such operation" in fallback.reason


def test_fp16_weights_count_as_delegated(program: ExportedProgram, tmp_path: Path) -> None:
    path = tmp_path / "half.tflite"
    TFLiteTarget().lower(program, Precision.FP16, path, METADATA)
    delegation = inspect_file(path).delegation
    assert delegation is not None
    assert delegation.delegated_ops == delegation.total_ops
    assert inspect_file(path).dtypes["float16"] > 0


# Damage


def test_a_missing_file_is_an_artefact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="No such file"):
        TFLiteTarget().load(tmp_path / "none.tflite")


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x00" * 100, b"\x18\x00\x00\x00TFL3" + b"\xff" * 200])
def test_junk_is_an_artefact_error(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "junk.tflite"
    path.write_bytes(junk)
    for use in (TFLiteTarget().load, TFLiteTarget().inspect):
        with pytest.raises(ArtefactError):
            use(path)


def test_a_truncated_file_is_an_artefact_error(artefact: Artefact, tmp_path: Path) -> None:
    file = artefact.path.read_bytes()
    path = tmp_path / "short.tflite"
    for share in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(file[: int(len(file) * share)])
        with pytest.raises(ArtefactError):
            load_runner(path)


def test_random_damage_is_an_artefact_error_or_another_output(artefact: Artefact, tmp_path: Path) -> None:
    """Bytes of the structure: refused. Bytes of weights: another result. Never a crash of this process."""
    file, images = artefact.path.read_bytes(), torch.randn(IMAGE).numpy()
    path = tmp_path / "damaged.tflite"
    generator = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(file)
        for _ in range(generator.choice([1, 4, 32])):
            damaged[generator.randrange(len(file))] ^= 1 << generator.randrange(8)
        path.write_bytes(bytes(damaged))
        try:
            load_runner(path)(images)
        except ArtefactError:
            refused += 1
    assert 50 < refused < 150


def test_every_byte_of_the_structure_is_guarded(artefact: Artefact, tmp_path: Path) -> None:
    """A shape is structure: XNNPACK would believe it and compute on whatever lies there."""
    from ai_edge_litert import schema_py_generated as schema

    file = bytearray(artefact.path.read_bytes())
    tensor = schema.Model.GetRootAsModel(file, 0).Subgraphs(0).Tensors(3)
    start = tensor._tab.Vector(tensor._tab.Offset(4))
    file[start] ^= 4
    path = tmp_path / "shape.tflite"
    path.write_bytes(bytes(file))
    with pytest.raises(ArtefactError, match="digest"):
        load_runner(path)


def test_a_flipped_weight_changes_the_output(artefact: Artefact, model: nn.Module, tmp_path: Path) -> None:
    file = bytearray(artefact.path.read_bytes())
    weight = model.get_parameter("head.weight").detach().numpy()
    where = bytes(file).index(weight.tobytes())
    file[where + 3] ^= 0x40  # the top of an exponent
    path = tmp_path / "flipped.tflite"
    path.write_bytes(bytes(file))
    images = torch.randn(IMAGE).numpy()
    assert not np.allclose(load_runner(path)(images), load_runner(artefact.path)(images))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tables: setattr(tables.subgraphs[0].operators[0], "inputs", [10_000, 1, 2]),
        lambda tables: setattr(tables.subgraphs[0].operators[0], "inputs", None),
        lambda tables: setattr(tables.subgraphs[0].operators[0], "opcodeIndex", 99),
        lambda tables: setattr(tables.subgraphs[0].tensors[1], "buffer", 10_000),
        lambda tables: setattr(tables.subgraphs[0].tensors[1], "shape", [7]),
        lambda tables: setattr(tables.subgraphs[0], "outputs", [-1]),
        lambda tables: setattr(tables, "subgraphs", []),
    ],
)
def test_foreign_files_are_checked_for_consistency(artefact: Artefact, tmp_path: Path, spoil: object) -> None:
    import flatbuffers

    _, tables = read_model(artefact.path)
    tables.metadata = []
    spoil(tables)  # type: ignore[operator]
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "foreign.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError):
        load_runner(path)


def test_a_file_with_two_outputs_is_an_artefact_error(artefact: Artefact, tmp_path: Path) -> None:
    import flatbuffers

    _, tables = read_model(artefact.path)
    tables.metadata, tables.signatureDefs = [], []
    tables.subgraphs[0].outputs = [*tables.subgraphs[0].outputs, tables.subgraphs[0].operators[2].outputs[0]]
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "two.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError, match="2 outputs"):
        load_runner(path)


def test_what_the_runtime_refuses_is_an_artefact_error(artefact: Artefact, tmp_path: Path) -> None:
    import flatbuffers

    _, tables = read_model(artefact.path)
    tables.metadata = []
    tables.operatorCodes[0].version = 99
    builder = flatbuffers.Builder()
    builder.Finish(tables.Pack(builder), b"TFL3")
    path = tmp_path / "newer.tflite"
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(ArtefactError, match="LiteRT refuses"):
        load_runner(path)


def test_a_failed_lowering_leaves_nothing(tmp_path: Path) -> None:
    from converters.errors import ToolchainError

    program = export(Apply(lambda x: torch.cumsum(x, 1)), torch.randn(IMAGE))
    with pytest.raises(ToolchainError):
        TFLiteTarget().lower(program, Precision.FP32, tmp_path / "none.tflite", METADATA)
    assert list(tmp_path.iterdir()) == []
