"""Files for Core ML: what is inside, that it is all delegated, and that the program inside computes the right thing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.contract import Precision
from converters.errors import ArtefactError
from converters.executorch.delegates.coreml import PACKAGE, ROOT, describe, only_delegate, pack, unpacked
from converters.executorch.target import ExecuTorchTarget
from converters.files import sha256
from converters.interface import Choices, Interface, Normalization
from converters.registry import find_target
from evit_mobile.commands import convert as pipeline
from evit_mobile.validation.speed import against_fp32
from tests.converters.executorch.delegates.layers import IMAGES, artefact, model
from tests.lazily import Lazily
from tests.lowering_helpers import METADATA, export, quantize

containers = Lazily("converters.executorch.container")


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


def test_what_an_evaluator_runs_is_not_timed(for_core_ml: Path) -> None:
    program = export(model(), IMAGES[:1])
    assert against_fp32(find_target("executorch-coreml"), for_core_ml, program, IMAGES[:1].numpy()) is None


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


def test_the_runtime_is_told_the_names_and_a_key_of_its_cache(tmp_path: Path) -> None:
    describe(artefact(tmp_path), tmp_path / "metadata.json")
    assert json.loads((tmp_path / "metadata.json").read_text()) == {
        "inputNames": ["image"],
        "outputNames": ["logits"],
        "identifier": "executorch_0123",
    }


def test_a_folder_is_packed_and_unpacked_as_it_is(tmp_path: Path) -> None:
    root, path = tmp_path / ROOT, tmp_path / "model.coreml.pte"
    (root / PACKAGE / "Data").mkdir(parents=True)
    (root / PACKAGE / "Data" / "weights").write_bytes(bytes(range(256)))
    path.write_bytes(pack(root, artefact(root / PACKAGE), METADATA))
    with unpacked(path) as package:
        assert (package / "Data" / "weights").read_bytes() == bytes(range(256))
        kept = package
    assert not kept.exists()
    plan = containers.open_container(path.read_bytes()).plan
    (delegate,) = plan.delegates
    assert delegate.id == "CoreMLBackend"
    assert {spec.key: bytes(spec.value) for spec in delegate.compile_specs} == {
        "compute_units": b"all",
        "model_type": b"model",
    }
    assert only_delegate(plan) is delegate
    plan.chains[0].instructions *= 2
    with pytest.raises(ArtefactError, match="a program of DelegateCall, DelegateCall for"):
        only_delegate(plan)
    plan.chains.clear()
    with pytest.raises(ArtefactError, match="a program of no operations"):
        only_delegate(plan)


def test_islands_reach_the_package_and_pixels_do_not() -> None:
    target = find_target("executorch-coreml")
    pixels = Interface(pixels=Normalization(mean=(0.5,) * 3, std=(0.5,) * 3))
    chosen = target.chosen(Choices(interface=pixels, islands=frozenset({"mul"})))
    assert chosen.packages.islands == frozenset({"mul"})
    assert chosen.packages.interface.pixels is None
    assert chosen.run_with_settings(Path("none"), IMAGES.numpy()) is None
