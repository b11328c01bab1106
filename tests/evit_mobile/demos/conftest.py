"""A folder as `convert` writes it, without the work: any bytes for artefacts, golden vectors of two bundled images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.files import sha256
from evit_mobile.images.data import everything, preprocess_for
from evit_mobile.record.files import write_manifest
from evit_mobile.record.manifest import GoldenEntry
from evit_mobile.record.plans import write_plan
from evit_mobile.spec import find_spec
from evit_mobile.validation import golden
from tests.manifests import PLAN, artefact, input_of, of_model

ARTEFACTS = {
    "coreml": "tiny.int8.mlpackage",
    "tflite": "tiny.int8.tflite",
    "executorch": "tiny.int8.pte",
    "executorch-coreml": "tiny.int8.coreml.pte",
    "executorch-vulkan": "tiny.fp16.vulkan.pte",
}


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "release"
    (folder / ARTEFACTS["coreml"] / "Data").mkdir(parents=True)
    (folder / ARTEFACTS["coreml"] / "Data" / "weight.bin").write_bytes(b"coreml")
    for format in list(ARTEFACTS)[1:]:
        (folder / ARTEFACTS[format]).write_bytes(format.encode() * 1000)
    images = everything(None, preprocess_for(find_spec("efficientvit_m0", size=(32, 32)), bundled=True), 2)
    entries = [artefact(name, format=format, sha256=sha256(folder / name)) for format, name in ARTEFACTS.items()]
    entries[1] = replace(entries[1], plan=write_plan(PLAN, entries[1].precision, folder))
    manifest = replace(of_model(*entries), input=input_of(images.preprocess))
    monkeypatch.setattr(golden, "artefact_entries", lambda *_: {})
    digest = golden.write_golden(
        manifest, folder, images, None, 2, lambda batch: np.zeros((len(batch), 10), np.float32)
    )
    write_manifest(replace(manifest, golden=GoldenEntry(path=golden.PATH, sha256=digest)), folder)
    return folder


def read(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


def write(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))
