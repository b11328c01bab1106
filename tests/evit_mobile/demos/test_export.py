"""export-app: what an app gets is whole, checked and its own; everything else is refused with exit code 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters.errors import ArtefactError
from converters.files import sha256
from evit_mobile.demos import export
from evit_mobile.demos.export import APPS, export_app
from evit_mobile.errors import UsageError
from evit_mobile.record.files import read_manifest
from evit_mobile.validation.golden import read_golden
from tests.evit_mobile.demos.conftest import ARTEFACTS, read, write
from tests.evit_mobile.test_cli import run


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", APPS)
def test_an_app_gets_what_it_runs(name: str, release: Path, app: Path) -> None:
    document = export_app(name, release, app)
    place = app / APPS[name].model
    assert document["folder"] == str(place)
    expected = [ARTEFACTS[format] for format in ARTEFACTS if format in APPS[name].formats]
    assert document["artefacts"] == expected
    assert document["left_out"] == [file for file in ARTEFACTS.values() if file not in expected]
    manifest = read_manifest(place)
    assert [entry.path for entry in manifest.artefacts] == expected
    assert all(sha256(place / entry.path) == entry.sha256 for entry in manifest.artefacts)
    assert {path.name for path in place.iterdir()} == {*expected, "manifest.json", "golden"}
    assert all(entry.plan is None for entry in manifest.artefacts)
    assert (place / "manifest.json").stat().st_size < 20_000
    bundle = read_golden(manifest, place)
    assert bundle is not None
    assert len(bundle.tensors) == document["golden"] == 2
    assert replace(manifest, artefacts=()) == replace(read_manifest(release), artefacts=())


def test_the_next_model_replaces_the_last_one(release: Path, app: Path) -> None:
    export_app("web", release, app)
    manifest = read(release)
    (release / "other.fp32.tflite").write_bytes(b"other")
    manifest["artefacts"] = [
        manifest["artefacts"][1] | {"path": "other.fp32.tflite", "sha256": sha256(release / "other.fp32.tflite")}
    ]
    manifest["golden"] = None
    write(release, manifest)
    export_app("web", release, app)
    assert {path.name for path in (app / "model").iterdir()} == {"other.fp32.tflite", "manifest.json"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda manifest: manifest.update(schema=3), "schema 3"),
        (lambda manifest: manifest["model"].update(task="features"), "whose task is features"),
        (lambda manifest: manifest["model"].update(task="multilabel"), "multilabel"),
        (lambda manifest: manifest["model"].update(num_classes=1), "one logit"),
        (lambda manifest: manifest["input"].update(shape=[1, 4, 64, 64]), "takes 4 channels"),
        (lambda manifest: manifest.update(artefacts=manifest["artefacts"][:1]), "convert --format tflite"),
        (lambda manifest: manifest.update(artefacts=manifest["artefacts"][-1:]), "executorch-vulkan"),
        (lambda manifest: manifest.update(artefacts=[]), "no artefact"),
        (lambda manifest: manifest["artefacts"][1]["validations"][0].update(verdict="failed"), "--force"),
        (lambda manifest: manifest["artefacts"][1]["validations"][0].update(verdict="not_run"), "not_run"),
        (lambda manifest: manifest["artefacts"][1].update(sha256="0" * 64), "sha256"),
        (lambda manifest: manifest["artefacts"][1].update(path="absent.tflite"), "absent.tflite"),
        (lambda manifest: manifest["artefacts"][1].update(path="../release/tiny.int8.tflite"), "not in"),
        (lambda manifest: manifest["golden"].update(sha256="0" * 64), "golden.json"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], object],
    named: str,
    release: Path,
    app: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    export_app("web", release, app)
    before = sha256(app)
    manifest = read(release)
    change(manifest)
    write(release, manifest)
    assert run(monkeypatch, "export-app", "web", "--from", str(release), "--out", str(app)) == 2
    assert named in capsys.readouterr().err
    assert sha256(app) == before  # what was there stays, and nothing beside it


@pytest.mark.parametrize("name", APPS)
def test_segmentation_is_for_the_browser(name: str, release: Path, app: Path) -> None:
    manifest = read(release)
    manifest["model"]["task"] = "segmentation"
    write(release, manifest)
    if name == "web":
        assert export_app(name, release, app)["artefacts"] == [ARTEFACTS["tflite"]]
    else:
        with pytest.raises(UsageError, match="classification: what the app"):
            export_app(name, release, app)


def test_what_did_not_pass_goes_out_when_forced(release: Path, app: Path) -> None:
    manifest = read(release)
    manifest["artefacts"][1]["validations"][0]["verdict"] = "failed"
    write(release, manifest)
    assert export_app("web", release, app, force=True)["artefacts"] == [ARTEFACTS["tflite"]]
    export_app("ios", release, app)  # the one that failed is not for this app


@pytest.mark.parametrize("damaged", [ARTEFACTS["tflite"], "golden/01.f32"])
def test_damage_is_found(damaged: str, release: Path, app: Path) -> None:
    with (release / damaged).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArtefactError, match=Path(damaged).name):
        export_app("web", release, app)
    assert list(app.iterdir()) == []


def test_a_bad_copy_is_found(release: Path, app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def truncate(source: Path, copy: Path) -> None:
        copy.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr(shutil, "copyfile", truncate)
    with pytest.raises(ArtefactError, match="sha256"):
        export_app("web", release, app)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_the_last_model(
    failure: BaseException, release: Path, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise failure

    export_app("web", release, app)
    before = sha256(app)
    monkeypatch.setattr(export, "to_json", fail)
    with pytest.raises(type(failure)):
        export_app("web", release, app)
    assert sha256(app) == before


def test_a_folder_of_something_else_is_not_replaced(release: Path, app: Path) -> None:
    (app / "model").mkdir()
    (app / "model" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="other files"):
        export_app("web", release, app)
    assert (app / "model" / "thesis.txt").exists()


def test_the_app_of_the_checkout_is_found_from_below(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    below = tmp_path / "checkout" / "docs"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert run(monkeypatch, "export-app", "web", "--from", str(release)) == 2
    assert "web_demo" in capsys.readouterr().err
    (tmp_path / "checkout" / "web_demo").mkdir()
    assert run(monkeypatch, "export-app", "web", "--from", str(release), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == str(tmp_path / "checkout" / "web_demo" / "model")


def test_unknown_apps_and_folders(release: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="android, ios, web"):
        export_app("windows", release, tmp_path)
    with pytest.raises(UsageError, match="correct --out"):
        export_app("web", release, tmp_path / "absent")
