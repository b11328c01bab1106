"""publish(): a folder of proven artefacts to Hugging Face's hub, through huggingface_hub (the extra `hub`) and its credentials."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from converters.errors import ToolchainError
from converters.files import atomic_path, size_bytes, write_bytes
from evit_mobile.demos.export import copy_artefact, copy_golden
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.progress import Report, silent
from evit_mobile.publishing.card import model_card
from evit_mobile.publishing.weights import write_weights
from evit_mobile.record.files import read_manifest, write_manifest
from evit_mobile.record.manifest import Manifest
from evit_mobile.record.plans import copy_plans
from evit_mobile.report.html import write_page

REPOSITORY = re.compile(r"hf://([\w.-]+/[\w.-]+)")
LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")
CARD = "README.md"
LOCAL = ("weights", "labels", "calib", "preprocess", "out")
"""Fields of a request that may hold paths of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What was published, or would be: `files` relative to `folder`, where a dry run wrote them; `url` of the commit otherwise."""

    repository: str
    files: tuple[str, ...]
    bytes: int
    folder: Path | None = None
    url: str | None = None


def publish(
    folder: Path | str,
    to: str,
    *,
    weights_license: str,
    include_weights: bool = False,
    force: bool = False,
    private: bool = False,
    out: Path | str | None = None,
    report: Report = silent,
) -> Publication:
    """Uploads a folder that `convert` wrote to the hub as one commit: artefacts, manifest, plans, golden vectors, report and model card.

    `to` is "hf://OWNER/NAME", which is made where it is not there (`private`, if so); `weights_license` the hub's name of the licence
    that the weights are under. `include_weights` adds them as model.safetensors, for `--weights hf://OWNER/NAME`. Only artefacts that
    passed go out, unless `force`. With `out` the files are written there instead, and nothing is sent. Paths of this machine become
    names of files in the published manifest.

    Raises UsageError, ArtefactError for a folder that is not as `convert` wrote it, ToolchainError where the hub cannot be used.
    """
    repository = parse_repository(to)
    check_license(weights_license)
    folder = Path(folder)
    manifest = read_manifest(folder)
    check_proven(manifest, folder, force=force)
    if out is not None:
        place = Path(out)
        check_new(place)
        with atomic_path(place) as staged:
            stage(folder, manifest, staged, include_weights=include_weights)
            files = describe(staged, repository, weights_license)
        return Publication(repository=repository, files=files, bytes=size_bytes(place), folder=place)
    api = hub_client()
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary) / "files"
        stage(folder, manifest, staged, include_weights=include_weights)
        files = describe(staged, repository, weights_license)
        report(f"sending {len(files)} files to {repository}")
        url = send(api, staged, repository, manifest, private=private)
        return Publication(repository=repository, files=files, bytes=size_bytes(staged), url=url)


def parse_repository(to: str) -> str:
    """OWNER/NAME. Raises UsageError."""
    parsed = REPOSITORY.fullmatch(to)
    if parsed is None:
        raise UsageError(got=f"--to {to}", allowed="hf://OWNER/NAME", do="name the repository like this")
    return parsed[1]


def check_license(name: str) -> None:
    """Raises UsageError for what is no name of a licence as the hub writes them."""
    if not LICENSE.fullmatch(name):
        raise UsageError(
            got=f"--weights-license {name!r}",
            allowed="the hub's name of a licence, such as apache-2.0, mit, cc-by-nc-4.0, or other",
            do="look up the licence of the weights that you trained from, and of their data",
        )


def check_proven(manifest: Manifest, folder: Path, *, force: bool) -> None:
    """Raises UsageError without artefacts, and for those that have not passed unless `force`."""
    verdicts = {entry.path: entry.validation.verdict for entry in manifest.artefacts}
    if not verdicts:
        raise UsageError(got=f"{folder} without artefacts", allowed="one or more", do="convert into it first")
    unproven = [f"{path} {verdict}" for path, verdict in verdicts.items() if verdict is not Verdict.PASSED]
    if unproven and not force:
        raise UsageError(
            got=", ".join(unproven),
            allowed="artefacts that passed",
            do="convert again, or pass --force: the card says what did not pass",
        )


def check_new(place: Path) -> None:
    """Raises UsageError when something else than an earlier dry run lies there: it would be replaced."""
    if place.exists() and not (place / CARD).exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(got=f"--out {place}, which is there", allowed="a new folder", do="name another")


def stage(folder: Path, manifest: Manifest, place: Path, *, include_weights: bool) -> None:
    """Writes what is published, but its description, to the new folder `place`, every byte checked. Raises ArtefactError, and UsageError
    for weights that cannot be had.
    """
    place.mkdir()
    for entry in manifest.artefacts:
        copy_artefact(folder, place, entry)
    copy_golden(manifest, folder, place)
    copy_plans(manifest, folder, place)
    if include_weights:
        write_weights(folder, manifest, place)
    write_manifest(without_places(manifest), place)


def describe(place: Path, repository: str, weights_license: str) -> tuple[str, ...]:
    """Adds the report page and the model card; returns the names of all files."""
    write_page(place)
    write_bytes(place / CARD, model_card(read_manifest(place), repository, weights_license).encode())
    return tuple(sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()))


def without_places(manifest: Manifest) -> Manifest:
    """The manifest with names in place of this machine's paths."""
    request = manifest.request
    if request is not None:
        paths = {name: request[name] for name in LOCAL if isinstance(request.get(name), str)}
        request = request | {name: last_name(path) for name, path in paths.items()}
    return replace(
        manifest,
        request=request,
        model=replace(manifest.model, source=last_name(manifest.model.source)),
        calibration=replace(manifest.calibration, source=last_name(manifest.calibration.source)),
    )


def last_name(text: str) -> str:
    """Of a path the last part; of all else, names of bundled data and references to the hub among them, itself."""
    if "://" in text or ":" in text.partition("/")[0]:
        return text
    return PurePath(text).name or text


def hub_client() -> Any:
    """The hub's client. Raises ToolchainError where it is not installed."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ToolchainError(
            got="publish without the package huggingface_hub",
            allowed="huggingface_hub 0.30 or later",
            do="pip install 'evit-mobile[hub]'",
        ) from error
    return HfApi(library_name="evit-mobile")


def send(api: Any, staged: Path, repository: str, manifest: Manifest, *, private: bool) -> str:
    """Sends the folder as one commit and returns its address. Raises ToolchainError."""
    message = f"{manifest.model.name} by evit-mobile {manifest.tool.version}"
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=staged, commit_message=message).commit_url)
    except Exception as error:  # the network and the server may fail in any way
        first = (str(error).splitlines() or [""])[0]
        raise ToolchainError(
            got=f"{repository}, which the hub refuses: {type(error).__name__} {first}".rstrip(),
            allowed="a repository that you may write to, with `hf auth login` done or HF_TOKEN set",
            do="correct that and publish again; with --dry-run the files are only written",
        ) from error
