"""The model card, README.md of a repository of Hugging Face's hub, written from a manifest: nothing in it is not in the manifest.

Its head is that of https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from evit_mobile.findings import Validation
from evit_mobile.record.manifest import Manifest
from evit_mobile.spec import Task

PIPELINES = {
    Task.CLASSIFICATION: "image-classification",
    Task.MULTILABEL: "image-classification",
    Task.SEGMENTATION: "image-segmentation",
    Task.FEATURES: "image-feature-extraction",
}
"""The hub's names of tasks."""


VERDICT = ["file", "judge", "verdict", "images", "SQNR dB", "agreement", "top-1 (PyTorch)"]
PROOF = """## Proof

Each file was run as written and compared with the PyTorch model, on images that calibrated nothing. A verdict is of the judge that ran
the file, and of nothing else.

"""


def model_card(manifest: Manifest, repository: str, weights_license: str) -> str:
    """The card of a folder with this manifest, as `repository` (OWNER/NAME). The licence is that of the weights, which a user states."""
    parts = [
        head(manifest, weights_license),
        introduction(manifest, weights_license),
        "## Files\n\n" + table(["file", "MB", "needs"], file_rows(manifest)),
        PROOF + table(VERDICT, verdict_rows(manifest)),
        "## Input and output\n\n" + "\n".join(f"- {line}" for line in input_lines(manifest)),
        "## Calibration\n\n" + "\n".join(f"- {line}" for line in calibration_lines(manifest)),
        usage(manifest, repository),
    ]
    return "\n\n".join(parts) + "\n"


def head(manifest: Manifest, weights_license: str) -> str:
    """What the hub reads: YAML, of which JSON's strings are a part."""
    formats = dict.fromkeys(entry.format.partition("-")[0] for entry in manifest.artefacts)
    tags = ["efficientvit", manifest.model.name, *formats]
    lines = [
        f"license: {json.dumps(weights_license)}",
        f"pipeline_tag: {PIPELINES[manifest.model.task]}",
        "library_name: evit-mobile",
        "tags:",
        *(f"- {json.dumps(tag)}" for tag in tags),
    ]
    return "\n".join(["---", *lines, "---"])


def introduction(manifest: Manifest, weights_license: str) -> str:
    model = manifest.model
    variation = f", changed by `{model.variation}` and recovered" if model.variation else ""
    outputs = "channels" if model.task == Task.FEATURES else "classes"
    digest = f", SHA-256 `{model.weights_sha256}`" if model.weights_sha256 else ""
    return (
        f"# {model.name}\n\nFiles for phones of an EfficientViT{variation}: {model.params:,} parameters,\n"
        f"{model.macs:,} multiply-accumulates, {model.num_classes} {outputs}. Written by\n"
        f"evit-mobile {manifest.tool.version}.\n\n"
        f"Weights: `{plain(model.source)}` ({model.weights}), licence {weights_license}{digest}."
    )


def file_rows(manifest: Manifest) -> list[list[str]]:
    return [
        [f"`{entry.path}`", f"{entry.bytes / 1e6:.2f}", entry.oldest_runtime or "-"] for entry in manifest.artefacts
    ]


def verdict_rows(manifest: Manifest) -> list[list[str]]:
    """A row per file and judge."""
    rows = []
    for entry in manifest.artefacts:
        for validation in entry.validations:
            verdict = validation.verdict + (f": {validation.reason}" if validation.reason else "")
            verdict += "" if entry.unproven is None else f"; unproven: {entry.unproven}"
            figures = [number(validation.sqnr_db, 1), number(validation.top1_agreement, 4), top1(validation)]
            rows.append([f"`{entry.path}`", validation.runtime, verdict, str(validation.images), *figures])
    return rows


def top1(validation: Validation) -> str:
    if validation.top1_artefact is None:
        return "-"
    return f"{number(validation.top1_artefact, 2)} ({number(validation.top1_reference, 2)})"


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def input_lines(manifest: Manifest) -> list[str]:
    given = manifest.input
    lines = [
        f"{'x'.join(map(str, given.size))} {given.color}; {given.resize.mode} to {'x'.join(map(str, given.resize.size))}"
        f" ({given.interpolation}), centre crop; mean {spaced(given.mean)}, std {spaced(given.std)}"
    ]
    if manifest.labels:
        lines.append(
            "classes: " + ", ".join(map(plain, manifest.labels[:20])) + (" ..." if manifest.labels[20:] else "")
        )
    return [*lines, "layout, types and names of each file's tensors: `manifest.json`"]


def calibration_lines(manifest: Manifest) -> list[str]:
    calibration = manifest.calibration
    if not calibration.images:
        return ["nothing was calibrated"]
    return [
        f"{calibration.images} images of `{plain(calibration.source)}`",
        f"digest of their contents and preprocessing: `{calibration.digest}`",
    ]


def usage(manifest: Manifest, repository: str) -> str:
    """How a reader gets and checks the files."""
    path = manifest.artefacts[0].path
    return (
        f"## Use\n\n    hf download {repository} --local-dir {manifest.model.name}\n\n"
        f"and in Python, with `evit-mobile` and the format's extra:\n\n"
        f"    import evit_mobile\n\n"
        f'    logits = evit_mobile.load("{manifest.model.name}/{path}")(["photo.jpg"])\n\n'
        "`golden/`, where it is there, holds images, tensors and logits by which an app checks itself."
    )


def table(titles: list[str], rows: list[list[str]]) -> str:
    """Markdown's."""
    cells = [titles, ["---"] * len(titles), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in cells
    )


def spaced(values: Iterable[float]) -> str:
    return " ".join(map(str, values))


MARKUP = str.maketrans(dict.fromkeys("`<>|[]*\n\r", " "))


def plain(text: object) -> str:
    """Text without what Markdown or HTML would read into it, whatever a checkpoint or a label says."""
    return str(text).translate(MARKUP)
