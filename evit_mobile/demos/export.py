"""export-app: artefacts, manifest and golden vectors of a folder into a demo app, every byte checked on arrival."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from converters.errors import ArtefactError
from converters.files import atomic_path, sha256, size_bytes
from converters.misspelt import did_you_mean
from converters.registry import COMPILED, FORMATS
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.record.files import read_manifest
from evit_mobile.record.manifest import FILE_NAME, ArtefactEntry, Manifest
from evit_mobile.spec import Task
from evit_mobile.strict_json import to_json
from evit_mobile.validation.golden import FOLDER as GOLDEN_FOLDER
from evit_mobile.validation.golden import read_golden


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A demo app: its folder in the repository, where inside it models go, the formats it runs and the tasks it shows."""

    folder: str
    model: str
    formats: tuple[str, ...]
    tasks: tuple[Task, ...] = (Task.CLASSIFICATION,)


APPS = {
    "android": App(
        folder="android_demo",
        model="app/src/main/assets/model",
        formats=("tflite", "executorch", "onnx", *(row.name for row in FORMATS if row.of in COMPILED)),
    ),
    "ios": App(
        folder="ios_demo", model="App/Resources/Model", formats=("coreml", "coreai", "executorch", "executorch-coreml")
    ),
    "web": App(folder="web_demo", model="model", formats=("tflite",), tasks=(Task.CLASSIFICATION, Task.SEGMENTATION)),
}


def export_app(name: str, source: Path, out: Path | None = None, *, force: bool = False) -> dict[str, Any]:
    """Replaces the model of the app `name` by what `source` holds for it; returns what went where.

    The app's manifest lists only the artefacts that the app runs, without plans; the others are named under "left_out". `out` is
    the app's folder, by default the one of the checkout that the current folder is in. Only artefacts that passed go out, unless
    `force`. Raises UsageError, and ArtefactError for a folder that is not as `convert` wrote it.
    """
    app = find_app(name)
    place = app_folder(app, out) / app.model
    manifest = read_manifest(source)
    entries = fitting_entries(manifest, app, name, source, force=force)
    check_replaceable(place)
    with atomic_path(place) as folder:
        folder.mkdir()
        for entry in entries:
            copy_artefact(source, folder, entry)
        golden = copy_golden(manifest, source, folder)
        listed = tuple(replace(entry, plan=None) for entry in entries)
        (folder / FILE_NAME).write_text(to_json(replace(manifest, artefacts=listed)))
    return {
        "app": name,
        "folder": str(place),
        "model": manifest.model.name,
        "artefacts": [entry.path for entry in entries],
        "left_out": [entry.path for entry in manifest.artefacts if entry.format not in app.formats],
        "golden": golden,
        "bytes": size_bytes(place),
    }


def find_app(name: str) -> App:
    if name not in APPS:
        raise UsageError(got=f"app {name!r}", allowed=", ".join(APPS), do=did_you_mean(name, APPS))
    return APPS[name]


def app_folder(app: App, out: Path | None) -> Path:
    """`out`, or the app's folder in the checkout around the current folder. Raises UsageError when it is not there."""
    if out is None:
        here = Path.cwd()
        found = [folder / app.folder for folder in (here, *here.parents) if (folder / app.folder).is_dir()]
        if not found:
            raise UsageError(
                got=f"no {app.folder} in {here} or above it",
                allowed="a checkout of evit-mobile, which holds the apps: they are not in the installed package",
                do="run it there, or pass --out APPDIR",
            )
        return found[0]
    if not out.is_dir():
        raise UsageError(
            got=f"{out}, which is no folder", allowed=f"the folder of an app like {app.folder}", do="correct --out"
        )
    return out


def fitting_entries(manifest: Manifest, app: App, name: str, source: Path, *, force: bool) -> list[ArtefactEntry]:
    """The manifest's entries that the app can run. Raises UsageError when there are none, or one has not passed."""
    task = manifest.model.task
    if task not in app.tasks:
        raise UsageError(
            got=f"{source}, whose task is {task}",
            allowed=f"{' or '.join(app.tasks)}: what the app {name} shows",
            do="convert such a model",
        )
    if manifest.model.num_classes == 1:
        raise UsageError(
            got=f"{source}, a model of one logit",
            allowed="a classifier of two classes or more: the apps show the largest",
            do="run it in an app of your own, where above 0 is a yes",
        )
    channels = manifest.input.shape[1]
    if channels != 3:
        raise UsageError(
            got=f"{source}, a model that takes {channels} channels",
            allowed="a model of RGB images: photos and cameras have no others",
            do="run it in an app of your own, which has all of them",
        )
    entries = [entry for entry in manifest.artefacts if entry.format in app.formats]
    if not entries:
        formats = ", ".join(sorted({entry.format for entry in manifest.artefacts})) or "no artefact"
        raise UsageError(
            got=f"{source} with {formats} for {name}",
            allowed=" or ".join(app.formats),
            do=f"run `evit-mobile convert --format {app.formats[0]} --out {source}` first",
        )
    unproven = [entry for entry in entries if entry.validation.verdict is not Verdict.PASSED]
    if unproven and not force:
        verdicts = ", ".join(f"{entry.path} {entry.validation.verdict}" for entry in unproven)
        raise UsageError(got=verdicts, allowed="artefacts that passed", do="convert again, or pass --force")
    return entries


def check_replaceable(place: Path) -> None:
    """Raises UsageError when what lies there is no model that was exported before: it would be replaced."""
    if place.is_dir() and any(place.iterdir()) and not (place / FILE_NAME).exists():
        raise UsageError(got=f"{place} with other files", allowed="a folder for exported models only", do="move them")


def copy_artefact(source: Path, folder: Path, entry: ArtefactEntry) -> None:
    """Copies one artefact. Raises ArtefactError when it is missing, outside `source` or not the one that was written."""
    relative = PurePosixPath(entry.path)
    path = source / relative
    if relative.is_absolute() or ".." in relative.parts or not path.exists():
        raise ArtefactError(
            got=f"{entry.path}, which is not in {source}",
            allowed="every artefact of the manifest",
            do="convert again",
        )
    copy = folder / relative
    copy.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, copy)
    else:
        shutil.copyfile(path, copy)
    if sha256(copy) != entry.sha256:
        raise ArtefactError(
            got=f"{path}, whose sha256 differs from the manifest's",
            allowed="the file that was written",
            do="convert again",
        )


def copy_golden(manifest: Manifest, source: Path, folder: Path) -> int:
    """Copies the golden vectors of `source` and checks every byte on arrival; returns how many images they have. Raises ArtefactError."""
    golden = read_golden(manifest, source)
    if golden is None:
        return 0
    (folder / GOLDEN_FOLDER).mkdir()
    for file in golden.files:
        shutil.copyfile(golden.folder / file, folder / GOLDEN_FOLDER / file)
    read_golden(manifest, folder)
    return len(golden.tensors)
