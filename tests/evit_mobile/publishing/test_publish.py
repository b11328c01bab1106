"""publish: what the hub gets is whole, says what the manifest says and nothing of this machine, and can be read back."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.errors import ArtefactError, ToolchainError
from converters.files import sha256
from evit_mobile.errors import UsageError
from evit_mobile.findings import Validation, Verdict
from evit_mobile.images.data import everything
from evit_mobile.models.bundled import bundled_checkpoint
from evit_mobile.publishing import publish as publishing
from evit_mobile.publishing.card import model_card, plain
from evit_mobile.publishing.publish import publish, without_places
from evit_mobile.publishing.weights import config
from evit_mobile.record.files import read_manifest, write_manifest
from evit_mobile.record.manifest import CalibrationEntry, GoldenEntry, ToolEntry
from evit_mobile.validation import golden
from tests.evit_mobile.demos.conftest import read, release, write  # noqa: F401  # a fixture
from tests.evit_mobile.publishing.hub_on_loopback import COMMIT, running
from tests.evit_mobile.test_cli import run
from tests.manifests import of_model

pytest.importorskip("huggingface_hub")
TO, LICENSE = "hf://me/tiny", "apache-2.0"


def validation(verdict: Verdict, reason: str = "") -> Validation:
    return Validation(
        verdict=verdict,
        reason=reason,
        runtime="LiteRT | with XNNPACK",
        images=256,
        sqnr_db=28.25,
        cosine=0.99,
        max_abs_error=0.1,
        top1_agreement=0.9961,
        top1_reference=93.36,
        top1_artefact=92.97,
        hops=(),
    )


@pytest.fixture
def folder(release: Path) -> Path:  # noqa: F811  # the fixture
    """As `convert` writes it, as far as a card needs it: the bundled m0's manifest with two artefacts of any bytes."""
    written = read_manifest(release)
    bundled = of_model(
        *(replace(entry, validations=(validation(Verdict.PASSED),)) for entry in written.artefacts[1:3]),
        name="efficientvit_m0",
        weights="bundled",
        weights_sha256=sha256(bundled_checkpoint("efficientvit_m0")),
        source="bundled:efficientvit_m0.fashion_mnist.safetensors",
    )
    manifest = replace(
        bundled,
        input=written.input,
        labels=("<b>bag</b>", *(f"kind {number}" for number in range(1, 10))),
        calibration=CalibrationEntry(digest="cd" * 32, images=256, source="/home/ann/photos", seed=0),
        request={"calib": "/home/ann/photos", "weights": "hf://me/weights", "out": "release", "seed": 0},
        tool=ToolEntry(version="0.2.0"),
    )
    images = everything(None, manifest.input.preprocess, 1)
    digest = golden.write_golden(
        manifest, release, images, None, 1, lambda batch: np.zeros((len(batch), 10), np.float32)
    )
    write_manifest(replace(manifest, golden=GoldenEntry(path=golden.PATH, sha256=digest)), release)
    return release


def test_a_dry_run_writes_everything(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "published"
    options = ("--to", TO, "--weights-license", LICENSE, "--dry-run", "--out", str(out))
    assert run(monkeypatch, "publish", str(folder), *options) == 0
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    vectors = {name for name in names if name.startswith("golden/")}
    assert names - vectors == {
        *("README.md", "manifest.json", "plans/int8.json", "report.html"),
        *("tiny.int8.tflite", "tiny.int8.pte"),
    }
    assert "golden/golden.json" in vectors
    published = read_manifest(out)
    assert all(sha256(out / entry.path) == entry.sha256 for entry in published.artefacts)
    assert not [path for path in out.rglob("*") if path.is_file() and b"/home/ann" in path.read_bytes()]
    assert run(monkeypatch, "publish", str(folder), *options) == 0  # replaces an earlier one


def test_weights_say_how_many_channels_images_have(folder: Path) -> None:
    manifest = read_manifest(folder)
    four = replace(manifest, input=replace(manifest.input, shape=(1, 4, 64, 96), mean=(0.5,) * 4, std=(0.5,) * 4))
    assert config(four)["pretrained_cfg"]["input_size"] == [4, 64, 96]


def test_the_card_says_what_the_manifest_says(folder: Path) -> None:
    manifest = read_manifest(folder)
    first, second = manifest.artefacts
    second = replace(second, validations=(*second.validations, validation(Verdict.NOT_RUN, "no device")))
    card = model_card(replace(manifest, artefacts=(first, second)), "me/tiny", "cc-by-nc-4.0")
    head = card.split("---")[1]
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(head) == {
        "license": "cc-by-nc-4.0",
        "pipeline_tag": "image-classification",
        "library_name": "evit-mobile",
        "tags": ["efficientvit", "efficientvit_m0", "tflite", "executorch"],
    }
    row = "| `tiny.int8.tflite` | LiteRT \\| with XNNPACK | passed | 256 | 28.2 | 0.9961 | 92.97 (93.36) |"
    assert row in card
    assert "| not_run: no device | 256 |" in card
    assert "256 images of `/home/ann/photos`" in card
    assert "<b>" not in card
    assert "hf download me/tiny" in card


def test_of_this_machines_paths_the_names_stay(folder: Path) -> None:
    published = without_places(read_manifest(folder))
    assert published.request is not None
    assert published.calibration.source == published.request["calib"] == "photos"
    assert published.request["weights"] == "hf://me/weights"
    assert published.model.source == "bundled:efficientvit_m0.fashion_mnist.safetensors"
    assert published.request["out"] == "release"
    assert plain("a`<b>|") == "a  b  "


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda manifest: manifest.update(artefacts=[]), "without artefacts"),
        (lambda manifest: manifest["artefacts"][0]["validations"][0].update(verdict="failed"), "--force"),
        (lambda manifest: manifest["artefacts"][0].update(sha256="0" * 64), "sha256"),
        (lambda manifest: manifest["golden"].update(sha256="0" * 64), "golden.json"),
    ],
)
def test_what_is_not_as_it_was_written_stays_here(change: Any, named: str, folder: Path, tmp_path: Path) -> None:
    manifest = read(folder)
    change(manifest)
    write(folder, manifest)
    with pytest.raises((UsageError, ArtefactError), match=named):
        publish(folder, TO, weights_license=LICENSE, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--to", "me/tiny", "--weights-license", LICENSE), "hf://OWNER/NAME"),
        (("--to", TO, "--weights-license", "My own!"), "apache-2.0"),
        (("--to", TO, "--weights-license", LICENSE, "--out", "x"), "--dry-run"),
        (("--to", TO), "weights-license"),
    ],
)
def test_bad_input_is_explained(
    options: tuple[str, ...],
    named: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "publish", str(folder), *options) == 2
    assert named in " ".join(capsys.readouterr().err.split())


def test_other_files_are_not_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear")
    with pytest.raises(UsageError, match="which is there"):
        publish(folder, TO, weights_license=LICENSE, out=tmp_path / "mine")


def test_a_hub_that_refuses_is_explained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def create_repo(self, *_: object, **__: object) -> None:
            raise OSError("no route to host\nat all")

    monkeypatch.setattr(publishing, "hub_client", Refusing)
    with pytest.raises(ToolchainError, match="refuses: OSError no route to host;"):
        publish(folder, TO, weights_license=LICENSE)


READ_BACK = """
import sys
from evit_mobile.cli import main
from evit_mobile.models.weights import load_hub
from huggingface_hub import hf_hub_download
sys.argv = ["evit-mobile", "publish", sys.argv[1], "--to", "hf://me/tiny", "--weights-license", "mit", "--include-weights", "--json"]
try:
    main()
except SystemExit as exit:
    assert not exit.code, exit.code
print(hf_hub_download("me/tiny", "manifest.json"))
loaded = load_hub("hf://me/tiny")
print(loaded.source, loaded.spec.name, loaded.spec.num_classes, loaded.spec.size, loaded.stated.labels[1], loaded.sha256)
"""


def test_what_is_uploaded_is_read_back(folder: Path, tmp_path: Path) -> None:
    with running() as hub:
        environment = os.environ | {
            **{"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path / "cache"), "NO_PROXY": "*"},
            **{"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "*"},
        }
        command = [sys.executable, "-c", READ_BACK, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    head, _, tail = done.stdout.rpartition("}\n")
    document = json.loads(head + "}")
    files = hub.repositories["me/tiny"]
    assert set(files) == set(document["files"])
    assert {"README.md", "manifest.json", "model.safetensors", "config.json", "golden/00.f32"} <= files.keys()
    assert files["tiny.int8.tflite"] == (folder / "tiny.int8.tflite").read_bytes()
    assert document["url"].endswith(f"/me/tiny/commit/{COMMIT}")
    assert hub.messages == ["efficientvit_m0 by evit-mobile 0.2.0"]
    manifest, loaded = tail.splitlines()
    assert Path(manifest).read_bytes() == files["manifest.json"]
    digest = hashlib.sha256(files["model.safetensors"]).hexdigest()
    assert loaded == f"hf://me/tiny@{COMMIT}/model.safetensors efficientvit_m0 10 (32, 32) kind 1 {digest}"
