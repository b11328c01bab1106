"""Hub references, against a cache folder in the hub's own layout and without a network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub.constants
import pytest
import safetensors.torch
import torch
from huggingface_hub.errors import GatedRepoError, RemoteEntryNotFoundError

from evit_mobile.errors import CheckpointError, UsageError
from evit_mobile.models.weights import is_hub_reference, load_hub
from evit_mobile.models.weights.hub import DEFAULTS, HubReference, parse_reference
from evit_mobile.spec import MODELS
from tests.oracles import randomise, timm_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEWER = "fedcba9876543210fedcba9876543210fedcba98"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def store(cache: Path, repository: str, commit: str, name: str, content: bytes) -> Path:
    """Puts a file where huggingface_hub would: the content under its digest, a link to it under the commit."""
    root = cache / f"models--{repository.replace('/', '--')}"
    blob = root / "blobs" / hashlib.sha256(content).hexdigest()
    link = root / "snapshots" / commit / name
    for path in (blob, link, root / "refs" / "main"):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(content)
    link.symlink_to(blob)
    (root / "refs" / "main").write_text(commit)
    return blob


def weights(name: str = "efficientvit_b0", classes: int = 3, seed: int = 0) -> bytes:
    return safetensors.torch.save(randomise(timm_model(name, num_classes=classes), seed).state_dict())


def test_a_reference_gives_weights_commit_and_digest(cache: Path) -> None:
    content = weights()
    store(cache, "timm/efficientvit_b0.r224_in1k", COMMIT, "model.safetensors", content)
    loaded = load_hub("hf://timm/efficientvit_b0.r224_in1k")
    assert loaded.source == f"hf://timm/efficientvit_b0.r224_in1k@{COMMIT}/model.safetensors"
    assert loaded.sha256 == hashlib.sha256(content).hexdigest()
    assert (loaded.spec.name, loaded.spec.num_classes, loaded.origin) == ("efficientvit_b0", 3, "timm")


def test_hub_alone_means_timms_repository_of_the_model(cache: Path) -> None:
    store(cache, "timm/efficientvit_b0.r224_in1k", COMMIT, "model.safetensors", weights())
    assert load_hub("hub", model="efficientvit_b0").spec.name == "efficientvit_b0"
    assert DEFAULTS.keys() == MODELS.keys() - {"efficientvit_l0"}
    with pytest.raises(UsageError, match="without a model"):
        load_hub("hub")


def test_hub_alone_means_mits_own_file_of_a_segmentation_model(cache: Path, tmp_path: Path) -> None:
    from tests.evit_mobile.models.test_weights_upstream import read, upstream_state

    torch.save({"state_dict": upstream_state(read("mit.efficientvit_seg_b0_cityscapes"))}, tmp_path / "weights")
    name = "efficientvit_seg_b0_cityscapes.pt"
    store(cache, "han-cai/efficientvit-seg", COMMIT, name, (tmp_path / "weights").read_bytes())
    assert load_hub("hub", model="efficientvit_seg_b0_cityscapes").spec.num_classes == 19


def test_the_source_that_is_reported_loads_the_same_file_again(cache: Path) -> None:
    repository = "timm/efficientvit_b0.r224_in1k"
    store(cache, repository, COMMIT, "model.safetensors", weights(seed=0))
    first = load_hub(f"hf://{repository}")
    store(cache, repository, NEWER, "model.safetensors", weights(seed=1))
    assert load_hub(f"hf://{repository}").source.split("@")[1].startswith(NEWER)
    again = load_hub(first.source)
    assert (again.source, again.sha256) == (first.source, first.sha256)


def test_the_config_of_the_same_commit_gives_the_size(cache: Path) -> None:
    repository = "timm/efficientvit_b0.r256_in1k"
    config = json.dumps({"pretrained_cfg": {"input_size": [3, 256, 256]}}).encode()
    store(cache, repository, COMMIT, "model.safetensors", weights())
    store(cache, repository, COMMIT, "config.json", config)
    assert load_hub(f"hf://{repository}").spec.size == (256, 256)
    assert load_hub(f"hf://{repository}", size=(224, 224)).spec.size == (224, 224)


def test_the_image_processor_of_the_same_commit_is_read(cache: Path) -> None:
    repository = "somebody/b0"
    processor = json.dumps({"size": {"height": 96, "width": 128}, "image_mean": [0.5, 0.5, 0.5]}).encode()
    store(cache, repository, COMMIT, "model.safetensors", weights())
    store(cache, repository, COMMIT, "preprocessor_config.json", processor)
    loaded = load_hub(f"hf://{repository}")
    assert loaded.spec.size == (96, 128)
    assert loaded.stated.places[0].name == "preprocessor_config.json"


def test_the_older_file_name_and_any_other_name_work(cache: Path, tmp_path: Path) -> None:
    torch.save(timm_model("efficientvit_b0", num_classes=3).state_dict(), tmp_path / "weights")
    content = (tmp_path / "weights").read_bytes()
    store(cache, "timm/older", COMMIT, "pytorch_model.bin", content)
    store(cache, "somebody/zoo", COMMIT, "cls/b0_r224.pt", content)
    assert load_hub("hf://timm/older").source.endswith("/pytorch_model.bin")
    assert load_hub("hf://somebody/zoo/cls/b0_r224.pt").source == f"hf://somebody/zoo@{COMMIT}/cls/b0_r224.pt"


def test_a_damaged_download_is_noticed(cache: Path) -> None:
    content = weights()
    blob = store(cache, "timm/efficientvit_b0.r224_in1k", COMMIT, "model.safetensors", content)
    blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="the file that the hub has, with SHA-256"):
        load_hub("hf://timm/efficientvit_b0.r224_in1k")


@pytest.mark.usefixtures("cache")
def test_without_network_and_cache_the_error_says_what_to_do() -> None:
    with pytest.raises(CheckpointError, match="not in the local cache, and no way to reach the hub") as caught:
        load_hub("hub", model="efficientvit_m0")
    assert "hf download timm/efficientvit_m0.r224_in1k" in caught.value.do
    assert caught.value.exit_code == 2


def test_what_the_hub_refuses_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(error: Exception) -> None:
        def download(*_: object, **__: object) -> str:
            raise error

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)

    answer = SimpleNamespace(headers={}, request=None)
    raising(GatedRepoError("403 Client Error.\nAccess is restricted", response=answer))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match="the hub refuses: GatedRepoError 403 Client Error"):
        load_hub("hf://timm/efficientvit_b0.r224_in1k")
    raising(RemoteEntryNotFoundError("404", response=answer))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"has no model.safetensors and no pytorch_model.bin"):
        load_hub("hf://timm/efficientvit_b0.r224_in1k")


def test_contradictions_are_those_of_files(cache: Path) -> None:
    store(cache, "timm/efficientvit_b0.r224_in1k", COMMIT, "model.safetensors", weights())
    with pytest.raises(CheckpointError, match="--model efficientvit_b1, with weights of efficientvit_b0"):
        load_hub("hf://timm/efficientvit_b0.r224_in1k", model="efficientvit_b1")


@pytest.mark.parametrize(
    ("text", "repository", "revision", "file"),
    [
        ("hf://timm/efficientvit_b1.r224_in1k", "timm/efficientvit_b1.r224_in1k", None, None),
        ("hf://a/b@v1.0", "a/b", "v1.0", None),
        ("hf://a/b/c/d.pt", "a/b", None, "c/d.pt"),
        (f"hf://a/b@{COMMIT}/d.pt", "a/b", COMMIT, "d.pt"),
    ],
)
def test_references_are_read_and_written(text: str, repository: str, revision: str | None, file: str | None) -> None:
    reference = HubReference(repository=repository, revision=revision, file=file)
    assert parse_reference(text, None) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text", ["hf://", "hf://timm", "hf:/a/b", "hf://a/b@", "hf://a b/c", "https://huggingface.co/a/b"]
)
def test_malformed_references_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="hf://OWNER/NAME"):
        parse_reference(text, None)


def test_hub_references_are_told_from_paths() -> None:
    assert is_hub_reference("hub")
    assert is_hub_reference("hf://a/b")
    assert not is_hub_reference("hub/weights.pt")
