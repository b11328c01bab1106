"""Files for Core ML and for Vulkan: what is inside, that it is all delegated, and that the program inside computes the right thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from calib.preprocess import Preprocess
from converters.contract import Precision
from converters.errors import ArtefactError, NoRuntimeError
from converters.executorch.delegates.coreml import PACKAGE, ROOT, unpacked
from converters.executorch.delegates.folder import flatten, unflatten
from converters.executorch.delegates.vulkan import VulkanDelegateTarget
from converters.executorch.target import ExecuTorchTarget
from converters.files import sha256
from converters.registry import DELEGATED, find_target, target_of
from evit_mobile.commands import convert as pipeline
from evit_mobile.commands.proving import Standard, Written, prove
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.images.data import held_out_images
from evit_mobile.reference import load_reference
from evit_mobile.request.checks import with_delegate
from evit_mobile.validation.speed import against_fp32
from evit_mobile.validation.verdict import Terms
from tests.lowering_helpers import METADATA, export, quantize

IMAGES = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.Flatten(), nn.Linear(256, 10))


@pytest.fixture(scope="module")
def for_core_ml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coreml") / "model.fp16.coreml.pte"
    find_target("executorch-coreml").lower(export(model(), IMAGES[:1]), Precision.FP16, path, METADATA)
    return path


@pytest.mark.parametrize(
    ("precision", "limit"), [(Precision.FP32, 1e-6), (Precision.FP16, 2e-3), (Precision.INT8, 5e-2)]
)
def test_the_program_inside_computes_what_pytorch_does(precision: Precision, limit: float, tmp_path: Path) -> None:
    target, path = find_target("executorch-coreml"), tmp_path / "model.coreml.pte"
    program, images = export(model(), IMAGES[:1]), IMAGES
    if precision is Precision.INT8:
        images = IMAGES[:1]  # on others codes would saturate where Core ML's program stays float
        program = quantize(program, images)
    artefact = target.lower(program, precision, path, METADATA)
    with torch.no_grad():
        run = program.module(check_guards=False)
        expected = np.concatenate([run(image[None]).numpy() for image in images])
    assert np.abs(target.load(path)(images.numpy()) - expected).max() <= limit * np.abs(expected).max()
    assert (artefact.format, artefact.precision, artefact.sha256) == (target.name, precision, sha256(path))
    assert {"coremltools", "executorch", "torch"} == set(artefact.toolchain)
    releases = {Precision.FP32: "iOS 16", Precision.FP16: "iOS 16", Precision.INT8: "iOS 18"}
    assert artefact.oldest_runtime == releases[precision]


def test_everything_is_delegated(for_core_ml: Path) -> None:
    inspection = find_target("executorch-coreml").inspect(for_core_ml)
    assert inspection.delegation is not None
    assert (inspection.delegation.partitions, inspection.delegation.fallback) == (1, ())
    assert inspection.delegation.delegated_ops == inspection.delegation.total_ops
    assert inspection.operations["conv"] == 2
    assert inspection.bytes == for_core_ml.stat().st_size


def test_the_package_inside_is_the_one_of_the_format_coreml(for_core_ml: Path, tmp_path: Path) -> None:
    artefact = find_target("coreml").lower(
        export(model(), IMAGES[:1]), Precision.FP16, tmp_path / "model.mlpackage", METADATA
    )
    with unpacked(for_core_ml) as package:
        assert sha256(package) == artefact.sha256


def test_the_same_program_gives_the_same_bytes(for_core_ml: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.coreml.pte"
    find_target("executorch-coreml").lower(export(model(), IMAGES[:1]), Precision.FP16, path, METADATA)
    assert path.read_bytes() == for_core_ml.read_bytes()


def test_damage_anywhere_is_seen(for_core_ml: Path, tmp_path: Path) -> None:
    """The weights, too, lie within the digest; a file of another delegate is not one of these."""
    content, path = bytearray(for_core_ml.read_bytes()), tmp_path / "damaged.coreml.pte"
    for position in np.linspace(100, len(content) - 1, 12).astype(int):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ArtefactError):
            find_target("executorch-coreml").load(path)
    ExecuTorchTarget().lower(export(model(), IMAGES[:1]), Precision.FP32, path, METADATA)
    with pytest.raises(ArtefactError, match="XnnpackBackend"):
        find_target("executorch-coreml").load(path)


def test_executorch_reads_our_folders_and_writes_the_same(tmp_path: Path) -> None:
    from executorch.backends.apple.coreml import executorchcoreml

    root = tmp_path / ROOT
    (root / PACKAGE / "Data").mkdir(parents=True)
    (root / PACKAGE / "Data" / "weights").write_bytes(bytes(range(256)))
    assert flatten(root) == executorchcoreml.flatten_directory_contents(str(root))
    (root / "metadata.json").write_text("{}")
    (root / PACKAGE / "empty").write_bytes(b"")
    for folder in ("copy", "other"):
        (tmp_path / folder).mkdir()
    unflatten(flatten(root), tmp_path / "copy")
    assert sha256(tmp_path / "copy" / ROOT) == sha256(root)
    with pytest.raises(ArtefactError, match="unpacked"):
        unflatten(flatten(root)[:-9], tmp_path / "other")


def test_what_an_evaluator_runs_is_not_timed(for_core_ml: Path) -> None:
    program = export(model(), IMAGES[:1])
    assert against_fp32(find_target("executorch-coreml"), for_core_ml, program, IMAGES[:1].numpy()) is None


def test_names_lead_to_the_delegates() -> None:
    for name in (name for name in DELEGATED if name.startswith("executorch-")):
        target = find_target(name)
        assert target.missing() is None or name == "executorch-vgf"  # whose packages `make test-gpu` installs
        assert target_of(Path(f"model.int8{target.suffix}")) == target.name == name
    assert target_of(Path("model.int8.pte")) == "executorch"
    assert target_of(Path("model.caffemodel")) is None
    assert with_delegate(["tflite", "executorch"], "coreml") == ["tflite", "executorch-coreml"]
    for formats, delegate in ((["tflite"], "coreml"), (["executorch"], "qnn")):
        with pytest.raises(UsageError, match=delegate):
            with_delegate(formats, delegate)


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


@pytest.mark.slow
def test_a_variant_for_core_ml_in_executorch_is_proven(tmp_path: Path) -> None:
    conversion = pipeline.convert(
        formats=["executorch"], delegate="coreml", precision="fp16", size=(96, 96), out=tmp_path
    )
    (entry,) = conversion.manifest.artefacts
    assert (entry.format, entry.path) == ("executorch-coreml", "efficientvit_m0.fp16.coreml.pte")
    assert conversion.proven
    assert entry.delegation is not None
    assert entry.delegation.partitions == 1
    assert not entry.delegation.fallback
    assert "Core ML program inside" in entry.validation.runtime
