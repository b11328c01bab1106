"""A manifest that cannot be read is found before any work, and says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.errors import ArtefactError
from evit_mobile.commands import convert as pipeline
from evit_mobile.manifest import FIELDS, FILE_NAME, SCHEMA, read_manifest

COMPLETE = dict.fromkeys(FIELDS, None) | {"schema": SCHEMA}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "schema None"),
        (json.dumps(COMPLETE | {"schema": SCHEMA + 1}), f"schema {SCHEMA + 1}"),
        *((json.dumps({key: COMPLETE[key] for key in FIELDS - {field}}), field) for field in sorted(FIELDS)),
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


def test_a_complete_manifest_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps(COMPLETE))
    assert read_manifest(tmp_path) == COMPLETE
