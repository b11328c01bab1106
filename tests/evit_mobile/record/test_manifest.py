"""A manifest that is not one is refused by the path of what is wrong, by our reader and by the JSON Schema alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator

from converters.errors import ArtefactError
from evit_mobile.commands import convert as pipeline
from evit_mobile.figures import Comparison
from evit_mobile.findings import Hop, Validation, Verdict
from evit_mobile.record.files import read_manifest, write_manifest
from evit_mobile.record.manifest import FILE_NAME, Manifest
from scripts.manifest_schema import PATH, text
from tests.manifests import MANIFEST, PASSED, SCHEMA_1, artefact, of_model

NOTHING = Comparison(sqnr_db=float("-inf"), cosine=float("nan"), max_abs_error=float("inf"), top1_agreement=0.0)
BROKEN = Validation(
    verdict=Verdict.FAILED,
    reason="SQNR",
    images=256,
    runtime="a runtime",
    hops=(Hop(start="reference", end="tflite", step=NOTHING, total=NOTHING),),
    on="judge",
)

Change = Callable[[dict[str, Any]], object]

FAULTS: dict[str, Change] = {
    "model": lambda document: document.pop("model"),
    "model.params": lambda document: document["model"].update(params="2.2e6"),
    "model.family": lambda document: document["model"].update(family=None),
    "model.weights": lambda document: document["model"].update(weights="heavy"),
    "model.nmae": lambda document: document["model"].update(nmae="tiny"),
    "input.shape": lambda document: document["input"].update(shape=[1, 3, 32]),
    "input.mean[1]": lambda document: document["input"].update(mean=[0, None, 0]),
    "input.crop.pct": lambda document: document["input"]["crop"].pop("pct"),
    "labels[0]": lambda document: document.update(labels=[7]),
    "artefacts": lambda document: document.update(artefacts={}),
    "artefacts[0].sha256": lambda document: document["artefacts"][0].pop("sha256"),
    "artefacts[0].bytes": lambda document: document["artefacts"][0].update(bytes=True),
    "artefacts[0].inputs[0].layout": lambda document: document["artefacts"][0]["inputs"][0].update(layout="HWCN"),
    "artefacts[0].validations": lambda document: document["artefacts"][0].update(validations=[]),
    "artefacts[0].validations[0].verdict": lambda document: verdict_of(document, "good"),
    "artefacts[0].validations[0].images": lambda document: document["artefacts"][0]["validations"][0].pop("images"),
    "calibration.seed": lambda document: document["calibration"].update(seed=None),
    "tool": lambda document: document.update(tool="0.1"),
    "golden.sha256": lambda document: document.update(golden={"path": "golden/golden.json"}),
}
"""By the path of each: a field that is missing, unknown, of another type, or a word that is none."""


def verdict_of(document: dict[str, Any], word: str) -> None:
    document["artefacts"][0]["validations"][0]["verdict"] = word


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    document = json.loads(PATH.read_text())
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("path", FAULTS)
def test_what_is_wrong_is_named_by_its_path(path: str, schema: Draft202012Validator) -> None:
    document = MANIFEST.to_json()
    FAULTS[path](document)
    with pytest.raises(ArtefactError, match=f"as {re.escape(path)}; allowed: .*convert again.*or upgrade"):
        Manifest.from_json(document)
    assert not schema.is_valid(document)


@pytest.mark.parametrize(
    "manifest",
    [MANIFEST, of_model(), of_model(artefact("a.pte", validations=(BROKEN, replace(PASSED, on="gpu"))))],
    ids=["one", "none", "broken"],
)
def test_what_is_written_is_read_and_fits_the_schema(
    manifest: Manifest, schema: Draft202012Validator, tmp_path: Path
) -> None:
    write_manifest(manifest, tmp_path)
    document = json.loads((tmp_path / FILE_NAME).read_text())
    schema.validate(document)
    assert read_manifest(tmp_path).to_json() == manifest.to_json() == document
    assert read_manifest(tmp_path).proven == manifest.proven


def test_a_judges_validation_joins_the_others_and_counts() -> None:
    assert MANIFEST.proven
    (entry,) = MANIFEST.artefacts
    unable = replace(PASSED, on="gpu", verdict=Verdict.NOT_RUN, reason="no driver")
    both = replace(entry, validations=(*entry.validations, unable))
    assert (both.validation.verdict, both.validation.reason) == ("not_run", "gpu: no driver")
    assert not replace(MANIFEST, artefacts=(both,)).proven


def test_the_schema_file_is_that_of_the_types() -> None:
    assert PATH.read_text() == text(), "python scripts/manifest_schema.py writes it"


def classes_under(kind: Any) -> set[type]:
    """The dataclasses that a manifest is made of."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return {kind}.union(*(classes_under(hint) for hint in hints.values()))
    return set().union(*map(classes_under, get_args(kind)))


def test_every_field_is_documented() -> None:
    rows = [line for line in (PATH.parent / "manifest.md").read_text().splitlines() if line.startswith("| `")]
    documented = set(re.findall(r"`(\w+)`", " ".join(rows)))
    assert {one.name for kind in classes_under(Manifest) for one in fields(kind)} - documented == set()


@pytest.mark.parametrize("word", ["passed", "failed", "not_run"])
def test_the_words_of_verdicts_are_a_promise(word: str, schema: Draft202012Validator) -> None:
    document = MANIFEST.to_json()
    verdict_of(document, word)
    assert Manifest.from_json(document).artefacts[0].validation.verdict == word
    schema.validate(document)
    assert len(Verdict) == 3


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "schema None"),
        ("{}", "schema None"),
        (json.dumps({"schema": 3}), "schema 3; allowed: schema 2, or 1 of an older .*convert again .*or upgrade"),
        (json.dumps({"schema": True}), "schema True"),
        (json.dumps({"schema": 2}), "nothing as model"),
        (json.dumps({"schema": 1}), "nothing as model"),
        (json.dumps({"schema": 1, "artefacts": [3]}), "nothing as model"),
    ],
)
def test_a_damaged_manifest_stops_a_conversion_before_its_work(
    content: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    monkeypatch.setattr(pipeline, "load_reference", lambda *_, **__: pytest.fail("weights were loaded"))
    with pytest.raises(ArtefactError, match=named):
        pipeline.convert(formats=["tflite"], out=tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == content


def test_schema_1_is_upgraded(schema: Draft202012Validator) -> None:
    document = json.loads(SCHEMA_1.read_text())
    manifest = Manifest.from_json(document)
    schema.validate(manifest.to_json())
    assert [entry.plan for entry in manifest.artefacts] == ["plans/int8.json", "plans/int8.json", None]
    assert [entry.validation.on for entry in manifest.artefacts] == ["xnnpack", "xnnpack", "evaluator"]
    assert manifest.artefacts[0].protection is not None
    assert manifest.artefacts[2].protection is None
    assert manifest.proven
    assert manifest.to_json()["input"] == document["input"]


def test_the_first_release_said_less(schema: Draft202012Validator) -> None:
    """Everything that docs/manifest.md calls absent in older manifests."""
    document = json.loads(SCHEMA_1.read_text())
    for name in ("request", "negative_label", "labels_stated_by", "golden"):
        del document[name]
    for name in ("task", "variation", "architecture", "around", "notes"):
        del document["model"][name]
    for name in ("stated_by", "notes"):
        del document["input"][name]
    for entry in document["artefacts"]:
        for name in ("validations", "sizes", "oldest_runtime"):
            del entry[name]
        for name in ("on", "top_ties", "probabilities"):
            del entry["validation"][name]
    del document["calibration"]["notes"]
    manifest = Manifest.from_json(document)
    assert (manifest.model.task, manifest.artefacts[0].validation.on) == ("classification", "")
    schema.validate(manifest.to_json())


def test_what_is_wrong_in_schema_1_is_named_too() -> None:
    document = json.loads(SCHEMA_1.read_text())
    del document["artefacts"][1]["validation"], document["artefacts"][1]["validations"]
    with pytest.raises(ArtefactError, match=r"nothing as artefacts\[1\]\.validations"):
        Manifest.from_json(document)
