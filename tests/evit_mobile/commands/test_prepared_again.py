"""What an artefact was written from is found again: the same program, or it is said that it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.contract import Metadata, Precision, QuantPlan
from converters.errors import ArtefactError
from converters.registry import find_target
from evit_mobile.commands.prepared_again import asked, check_plan, prepared_again
from evit_mobile.errors import UsageError
from evit_mobile.progress import silent
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import Manifest
from evit_mobile.record.plans import write_plan
from evit_mobile.request import ConvertRequest
from tests.evit_mobile.test_cli import run
from tests.manifests import ARTEFACT, PLAN, artefact, of_model


def requested(**options: object) -> Manifest:
    request = ConvertRequest.from_json({"formats": ("tflite",), "precision": Precision.INT8, **options})
    return replace(of_model(ARTEFACT), request=request.to_json())


def test_the_request_of_the_artefact_is_taken() -> None:
    request, targets = asked(requested(formats=("executorch", "tflite"), seed=3), ARTEFACT)
    assert (request.seed, [target.name for target in targets]) == (3, ["executorch", "tflite"])


@pytest.mark.parametrize(
    "manifest",
    [of_model(ARTEFACT), requested(precision=Precision.FP16), requested(formats=("executorch",))],
    ids=["none", "of another precision", "of another format"],
)
def test_a_request_that_did_not_write_the_artefact_is_refused(manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="the latest one only"):
        asked(manifest, ARTEFACT)


def test_another_plan_is_refused(tmp_path: Path) -> None:
    entry = artefact("m.tflite", plan=write_plan(PLAN, Precision.INT8, tmp_path))
    check_plan(tmp_path, entry, PLAN)
    check_plan(tmp_path, artefact("m.tflite", plan=None), None)
    other: QuantPlan = replace(PLAN, activations=())
    with pytest.raises(ArtefactError, match="another plan than"):
        check_plan(tmp_path, entry, other)


@pytest.mark.slow
def test_the_program_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--model", "efficientvit_b0", "--size", "64", "--golden", "0", "--out", str(tmp_path))
    run(monkeypatch, "convert", *options, "--format", "tflite", "--int8")
    manifest = read_manifest(tmp_path)
    (entry,) = manifest.artefacts
    function = prepared_again(tmp_path, manifest, entry, None, silent)
    again = find_target("tflite").lower(
        function.program, Precision.INT8, tmp_path / "again.tflite", Metadata(description="again")
    )
    images = np.random.default_rng(0).standard_normal((2, *manifest.input.shape[1:])).astype(np.float32)
    one, other = (find_target("tflite").load(path)(images) for path in (tmp_path / entry.path, again.path))
    np.testing.assert_array_equal(one, other)
