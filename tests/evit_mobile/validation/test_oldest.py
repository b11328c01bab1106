"""A runtime that a file is not right on is refused, by name, before anything runs."""

from __future__ import annotations

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.record.manifest import ArtefactEntry
from evit_mobile.validation import oldest
from tests.manifests import artefact


def entry(oldest_runtime: str | None) -> ArtefactEntry:
    return artefact("model.pte", oldest_runtime=oldest_runtime)


@pytest.mark.parametrize("installed", ["1.3.1", "1.3.9.dev20260101", "0.9"])
def test_an_older_runtime_is_refused(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oldest, "version", lambda _name: installed)
    with pytest.raises(
        UsageError, match=rf"executorch {installed} for model.pte.*1\.4\.0 or newer.*pip install"
    ) as refusal:
        oldest.require_runtimes([entry("executorch 1.4.0")])
    assert refusal.value.exit_code == 2


def test_each_of_several_runtimes_has_its_own_oldest_version(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"ai-edge-litert": "2.3.0", "tflite-runtime": "2.13.0"}
    monkeypatch.setattr(oldest, "version", versions.__getitem__)
    with pytest.raises(UsageError, match=r"got tflite-runtime 2\.13\.0"):
        oldest.require_runtimes([entry("ai-edge-litert 1.4.0 / tflite-runtime 2.14.0")])
    oldest.require_runtimes([entry("ai-edge-litert 1.4.0")])


@pytest.mark.parametrize("installed", ["1.4.0", "1.4.1+cpu", "1.10.0", "2.0"])
def test_the_oldest_and_newer_ones_are_not(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oldest, "version", lambda _name: installed)
    oldest.require_runtimes([entry("executorch 1.4.0")])


def test_what_is_no_package_here_is_left_to_the_judges() -> None:
    oldest.require_runtimes([entry("iOS 17"), entry(None)])
