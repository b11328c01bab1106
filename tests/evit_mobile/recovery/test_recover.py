"""End to end: recovered variations in every format, their manifest, and their proof later and elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import evit_mobile
from converters.files import sha256
from evit_mobile.commands import validate as reading
from evit_mobile.errors import UsageError
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import Manifest
from evit_mobile.recovery import procedure
from evit_mobile.thresholds import RECOVERY

pytestmark = pytest.mark.slow
VARIATIONS = [("efficientvit_m0", "relu-attention"), ("efficientvit_b0", "relu-activation")]
STEPS, IMAGES, HELD_OUT = 40, 320, 384


@pytest.fixture(scope="module", params=VARIATIONS, ids=lambda pair: pair[1])
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All formats in int8, of a small size: 96x96, at which the bundled models are none too good."""
    model, variation = request.param
    folder = tmp_path_factory.mktemp(variation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(procedure, "IMAGES", IMAGES)
        patch.setattr(procedure, "HELD_OUT", HELD_OUT)
        patch.setattr("evit_mobile.commands.convert.against_fp32", lambda *_: None)  # nothing here asks for the time
        evit_mobile.convert(model, variation=variation, size=(96, 96), recovery_steps=STEPS, out=folder)
    return folder


def expected_verdict(manifest: Manifest) -> str:
    """By the documented bounds of the change of function; the conversion itself is expected to pass."""
    recovery = manifest.recovery
    assert recovery is not None
    assert recovery.after.top1 is not None
    assert recovery.original.top1 is not None
    close = recovery.after.agreement >= RECOVERY.min_agreement
    accurate = recovery.after.top1 >= recovery.original.top1 - RECOVERY.max_top1_drop
    return "passed" if close and accurate else "failed"


def test_the_manifest_tells_of_the_change(converted: Path) -> None:
    manifest = read_manifest(converted)
    model, recovery = manifest.model, manifest.recovery
    checkpoint = converted / f"{model.name}.{model.variation}.safetensors"
    assert model.weights_sha256 == sha256(checkpoint)
    assert recovery is not None
    assert recovery.original.weights == "bundled"
    assert recovery.held_out == HELD_OUT
    assert recovery.images == IMAGES
    assert recovery.after.agreement > recovery.before.agreement
    assert sum(recovery.steps) <= STEPS
    names = {f"{model.name}.{model.variation}.int8{suffix}" for suffix in (".mlpackage", ".tflite", ".pte")}
    assert {entry.path for entry in manifest.artefacts} == names


def test_verdicts_are_those_of_conversion_and_recovery_together(converted: Path) -> None:
    manifest = read_manifest(converted)
    for entry in manifest.artefacts:
        validation = entry.validation
        assert validation.verdict == expected_verdict(manifest), validation.reason
        assert str(manifest.model.variation) in validation.reason
        faults = [fault for fault in validation.reason.split("; ") if "against the original" not in fault]
        assert not faults or validation.verdict == "passed"


def test_it_is_proven_again_where_the_folder_is_moved_to(converted: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(converted, tmp_path / "moved"))
    expected = expected_verdict(read_manifest(converted))
    assert [result.validation.verdict for result in reading.validate(moved).artefacts] == [expected] * 3


def test_other_weights_are_not_taken_for_the_recovered_ones(converted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(converted, tmp_path / "copy"))
    (checkpoint,) = folder.glob("*.safetensors")
    with pytest.raises(UsageError, match="for artefacts of"):
        reading.validate(folder, weights="bundled")
    content = bytearray(checkpoint.read_bytes())
    content[-100] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(UsageError, match="not those of the manifest"):
        reading.validate(folder)


def test_the_checkpoint_converts_without_another_recovery(converted: Path, tmp_path: Path) -> None:
    (checkpoint,) = converted.glob("*.safetensors")
    evit_mobile.convert(weights=checkpoint, formats=["tflite"], precision="fp16", out=tmp_path)
    manifest, again = read_manifest(converted), read_manifest(tmp_path)
    assert again.recovery == manifest.recovery
    (entry,) = again.artefacts
    assert entry.validation.verdict == expected_verdict(manifest), entry.validation.reason


def test_without_recovery_it_does_not_pass(tmp_path: Path) -> None:
    """The planted fault: hard swish replaced, nothing learned. The file computes that perfectly and still fails."""
    conversion = evit_mobile.convert(
        "efficientvit_b0",
        variation="relu-activation",
        recovery_steps=0,
        size=(96, 96),
        precision="fp32",
        formats=["tflite"],
        out=tmp_path,
    )
    (entry,) = conversion.manifest.artefacts
    assert entry.validation.verdict == "failed"
    assert entry.validation.sqnr_db > 80
    assert "against the original: agreement" in entry.validation.reason
    assert not conversion.proven


def test_own_weights_ask_for_own_images(tmp_path: Path) -> None:
    from evit_mobile.models.bundled import bundled_checkpoint

    with pytest.raises(UsageError, match="--calib") as raised:
        evit_mobile.convert(
            weights=bundled_checkpoint("efficientvit_m0"), variation="relu-attention", precision="fp32", out=tmp_path
        )
    assert "--relu-attention" in raised.value.got
    assert not list(tmp_path.iterdir())
