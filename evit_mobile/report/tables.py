"""Rows for --json and tables for the terminal, from the same values."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from evit_mobile.report.lines import (
    accuracy_cells,
    image_lines,
    input_lines,
    is_slower,
    label_lines,
    note_lines,
    npu_lines,
    operations_line,
    protection_lines,
    recovery_lines,
    speed_lines,
    validation_lines,
)
from evit_mobile.report.modules import modules_table
from evit_mobile.report.names import Name

if TYPE_CHECKING:
    from converters.contract import Delegation, Inspection
    from evit_mobile.commands.evaluate import Evaluation
    from evit_mobile.commands.per_operation import OperationCheck
    from evit_mobile.commands.validate import FolderValidation, Revalidation
    from evit_mobile.record.manifest import ArtefactEntry, Manifest

VERDICT_STYLES = {"passed": "bold green", "failed": "bold red", "not_run": "bold yellow"}
PACKAGES = (
    "torch",
    "numpy",
    "coremltools",
    "coreai-core",
    "coreai-torch",
    "ai-edge-litert",
    "executorch",
    "torchao",
    "huggingface-hub",
    "pillow-heif",
    "ethos-u-vela",
    "onnx",
    "onnxruntime",
    "onnxruntime-qnn",
)


def model_rows() -> list[dict[str, Any]]:
    """One row per variant."""
    from evit_mobile.models.bundled import BUNDLED
    from evit_mobile.models.complexity import count_macs, count_parameters
    from evit_mobile.spec import MODELS

    return [
        {
            "name": spec.name,
            "family": str(spec.family),
            "task": str(spec.task),
            "params": count_parameters(spec),
            "macs": count_macs(spec),
            "size": list(spec.size),
            "bundled": spec.name in BUNDLED,
        }
        for spec in MODELS.values()
    ]


def models_table(rows: list[dict[str, Any]]) -> RenderableType:
    table = Table(title="EfficientViT variants", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("model", no_wrap=True)
    for heading in ("params (M)", "MACs (M)", "size (px)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("weights", no_wrap=True)
    for task, alike in groupby(rows, key=itemgetter("task")):
        table.add_section()
        table.add_row(Text(task, style="bold"))
        for row in alike:
            size = "x".join(map(str, row["size"]))
            weights = "bundled" if row["bundled"] else "--weights"
            table.add_row(row["name"], f"{row['params'] / 1e6:.1f}", f"{row['macs'] / 1e6:.0f}", size, weights)
    return table


def manifest_table(manifest: Manifest) -> RenderableType:
    model = manifest.model
    variation = f" with {model.variation}" if model.variation else ""
    outputs = "feature channels" if model.task == "features" else "classes"
    title = f"{model.name}{variation}, {model.num_classes} {outputs}, weights: {model.weights}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("artefact")
    for heading in ("MB", "SQNR dB", "agreement", "top-1 (fp32)", "delegated"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for entry in manifest.artefacts:
        table.add_row(
            Name(f"{entry.format} {entry.precision}"),
            f"{entry.bytes / 1e6:.2f}",
            *accuracy_cells(entry.validation),
            delegation_cell(entry.delegation),
            verdict_cell(entry),
        )
    lines = (
        *note_lines(model.notes),
        *input_lines(manifest.input),
        *label_lines(manifest),
        *image_lines(manifest.calibration.notes),
        *recovery_lines(manifest),
        *protection_lines(manifest.artefacts),
        *(line for entry in manifest.artefacts for line in entry_lines(entry)),
        *speed_lines(manifest.artefacts),
        *npu_lines(manifest.artefacts),
    )
    return Group(table, *lines)


def entry_lines(entry: ArtefactEntry) -> list[Text]:
    return validation_lines(entry.path, entry, entry.oldest_runtime, entry.unproven)


def delegation_cell(delegation: Delegation | None) -> str:
    """Share of the operations that the delegate takes, and in how many partitions where that is known."""
    if delegation is None:
        return "-"
    share = f"{100 * delegation.delegated_ops / max(delegation.total_ops, 1):.0f} %"
    return f"{share} in {delegation.partitions}" if delegation.partitions else share


def verdict_cell(entry: ArtefactEntry) -> Text:
    """The verdict, and a warning where the artefact is slower than in fp32."""
    text = verdict_text(entry.validation.verdict)
    return Text.assemble(text, ("\nbut slow", "bold yellow")) if is_slower(entry) else text


def verdict_text(verdict: str) -> Text:
    return Text(verdict, style=VERDICT_STYLES[verdict])


def revalidation_rows(result: FolderValidation, checks: Sequence[OperationCheck] = ()) -> dict[str, Any]:
    """`validate --json`: per artefact the validations of its judges and, as "validation", the first with the verdict of all; and what
    running operations one by one showed, where that was asked for.
    """
    rows = {**dataclasses.asdict(result), "artefacts": [revalidation_row(artefact) for artefact in result.artefacts]}
    return {**rows, "operations": [dataclasses.asdict(check) for check in checks]} if checks else rows


def revalidation_row(artefact: Revalidation) -> dict[str, Any]:
    validation = dataclasses.asdict(artefact.validation)
    return {**dataclasses.asdict(artefact), "path": str(artefact.path), "validation": validation}


def revalidation_table(result: FolderValidation, checks: Sequence[OperationCheck] = ()) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("artefact")
    for heading in ("SQNR dB", "agreement", "top-1 (fp32)"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for artefact in result.artefacts:
        validation = artefact.validation
        name = Name(f"{artefact.format} {artefact.precision}")
        table.add_row(name, *accuracy_cells(validation), verdict_text(validation.verdict))
    lines = note_lines(result.notes) + image_lines(result.image_notes)
    lines += [line for artefact in result.artefacts for line in validation_lines(str(artefact.path), artefact)]
    lines += map(operations_line, checks)
    if result.golden is not None:
        verdict = verdict_text(result.golden.verdict)
        lines.append(Text.assemble("golden vectors: ", verdict, f", {result.golden.reason}"))
    return Group(table, *lines)


def facts_table(title: str) -> Table:
    """Names and what they are: long paths go over several lines, whole."""
    table = Table(show_header=False, title=title)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


def inspection_entry(path: Path, inspection: Inspection) -> dict[str, Any]:
    return {"path": str(path), **dataclasses.asdict(inspection)}


def inspection_table(document: dict[str, Any]) -> RenderableType:
    facts = facts_table(Path(document["path"]).name)
    for name in ("inputs", "outputs"):
        facts.add_row(name, "\n".join(f"{s['name']} {s['shape']} {s['dtype']}" for s in document[name]))
    facts.add_row("bytes", f"{document['bytes']:,}")
    facts.add_row("tensors", ", ".join(f"{count} {dtype}" for dtype, count in document["dtypes"].items()))
    delegation = document["delegation"]
    if delegation is not None:
        share = f"{delegation['delegated_ops']} of {delegation['total_ops']} operations"
        partitions = f", partitions: {delegation['partitions']}" if delegation["partitions"] else ""
        facts.add_row("delegate", f"{delegation['delegate']}: {share}{partitions}")
    for npu in document["npu"]:
        facts.add_row("NPU", f"{npu['delegate']}: {npu['delegated_ops']} of {npu['total_ops']} operations")
    operations = Table("operation", "count")
    for name, count in sorted(document["operations"].items(), key=lambda item: -item[1]):
        operations.add_row(name, str(count))
    parts: list[RenderableType] = [facts, operations]
    taken = [*([] if delegation is None else [delegation]), *document["npu"]]
    parts += [fallback_table(delegation) for delegation in taken if delegation["fallback"]]
    parts += [modules_table(document["modules"])] if document["modules"] else []
    return Group(*parts, *(Text(note) for note in document["notes"]))


def fallback_table(delegation: dict[str, Any]) -> Table:
    """The operations that a delegate or NPU did not take."""
    table = Table()
    for heading in (f"outside {delegation['delegate']}", "count", "reason", "modules"):
        table.add_column(heading, overflow="fold")
    for item in delegation["fallback"]:
        table.add_row(item["op"], str(item["count"]), item["reason"], "\n".join(item["modules"][:5]))
    return table


def export_table(document: dict[str, Any]) -> RenderableType:
    """Where a model went, and what of it."""
    facts = facts_table(f"{document['model']} for {document['app']}")
    facts.add_row("folder", document["folder"])
    facts.add_row("artefacts", "\n".join(document["artefacts"]))
    if document["left_out"]:
        facts.add_row("left out", "\n".join(f"{path}, which this app does not run" for path in document["left_out"]))
    facts.add_row("golden vectors", f"{document['golden']} images")
    facts.add_row("bytes", f"{document['bytes']:,}")
    return facts


def publication_table(document: dict[str, Any]) -> RenderableType:
    """What went to the hub, or would."""
    facts = facts_table(document["repository"])
    facts.add_row("at" if document["url"] else "written, not sent", document["url"] or document["folder"])
    facts.add_row("files", "\n".join(document["files"]))
    facts.add_row("bytes", f"{document['bytes']:,}")
    return facts


def address_table(document: dict[str, Any]) -> RenderableType:
    """Where the browser demo is."""
    return Text(f"{document['folder']} at {document['url']}, until Ctrl-C")


def evaluation_entry(evaluation: Evaluation) -> dict[str, Any]:
    return {**dataclasses.asdict(evaluation), "path": str(evaluation.path)}


def evaluation_table(document: dict[str, Any]) -> RenderableType:
    table = facts_table(Path(document["path"]).name)
    table.add_row("top-1", with_interval(document, "top1"))
    table.add_row("top-5", with_interval(document, "top5"))
    if document["reference_top1"] is not None:
        table.add_row("top-1 of the fp32 reference", f"{document['reference_top1']:.2f} %")
        table.add_row("points lost against it", with_interval(document, "drop", unit=""))
        table.add_row("agreement with it", with_interval(document, "agreement"))
    known = [(share, index) for index, share in enumerate(document["recall"]) if share is not None]
    share, index = min(known)
    name = document["classes"][index] if document["classes"] else f"class {index}"
    table.add_row("least recall of a class", f"{share:.2f} % ({name})")
    table.add_row("calibration error", with_interval(document, "calibration_error"))
    table.add_row("images", f"{document['images']} of {document['source']}")
    if document["unanswered"]:
        table.add_row("without an answer", f"{document['unanswered']} (NaN among the outputs; counted as wrong)")
    table.add_row("run by", document["runtime"])
    return Group(table, *image_lines(document["notes"]))


def with_interval(document: dict[str, Any], name: str, unit: str = " %") -> str:
    """A figure with its 95 % interval."""
    low, high = document[f"{name}_interval"]
    return f"{document[name]:.2f}{unit} ({low:.2f} to {high:.2f})"


def doctor_rows() -> dict[str, Any]:
    """Installed packages, and what each target can do here."""
    from converters.registry import FORMATS, find_judge, find_target, judges_of

    targets = []
    for name in (row.name for row in FORMATS):
        target = find_target(name)
        targets.append(
            {
                "format": name,
                "precisions": [str(precision) for precision in target.precisions],
                "runtime": target.runtime,
                "missing": target.missing(),
            }
        )
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: installed_version(name) for name in PACKAGES},
        "targets": targets,
        "judges": [
            {"judge": name, "format": row.name, "runtime": judge.runtime, "missing": judge.missing()}
            for row in FORMATS
            for name, judge in ((name, find_judge(name, row.name)) for name in judges_of(row.name))
        ],
    }


def installed_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def doctor_table(document: dict[str, Any]) -> RenderableType:
    packages = Table("package", "version", title=f"Python {document['python']} on {document['system']}")
    for name, installed in document["packages"].items():
        packages.add_row(name, installed or Text("not installed", style="yellow"))
    targets = Table("format", "precisions", "ready")
    for row in document["targets"]:
        targets.add_row(row["format"], ", ".join(row["precisions"]), ready_cell(row["missing"]))
    judges = Table("judge", "of", "what it is", "ready")
    for row in document["judges"]:
        judges.add_row(row["judge"], row["format"], row["runtime"], ready_cell(row["missing"]))
    named = [(row["format"], row["missing"]) for row in document["targets"]]
    named += [(f"{row['judge']} of {row['format']}", row["missing"]) for row in document["judges"]]
    return Group(packages, targets, judges, *(Text(f"{name}: {missing}") for name, missing in named if missing))


def ready_cell(missing: str | None) -> Text:
    """Whether something can be used; what would make it so is told below the tables."""
    return Text("yes", style="green") if missing is None else Text("no", style="yellow")
