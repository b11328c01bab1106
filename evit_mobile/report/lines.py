"""What stands under a table in words, a line each, and the cells that tables share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.text import Text


def note_lines(model: dict[str, Any]) -> list[Text]:
    """What was decided while the weights were loaded, a line each."""
    return [Text(f"weights: {note}", style="dim") for note in model.get("notes", ())]


def input_lines(entry: dict[str, Any]) -> list[Text]:
    """How images become the model's input, who said so, and what contradicted it; `entry` is a manifest's "input"."""
    lines = [Text(f"images: {preprocessing_text(entry)}", style="dim")]
    return lines + [Text(f"images: {note}", style="yellow") for note in entry.get("notes", ())]


def preprocessing_text(entry: dict[str, Any]) -> str:
    """The steps of a manifest's "input" in words, and after them the sources of its fields where it names them."""
    resize, crop = entry["resize"], entry["crop"]
    verb = "squashed to" if resize["mode"] == "squash" else "scaled to cover"
    steps = [f"{verb} {'x'.join(map(str, resize['size']))} ({entry['interpolation']})"]
    if crop["size"] != resize["size"] or resize["mode"] != "squash":
        steps.append(f"cropped to {'x'.join(map(str, crop['size']))}")
    steps += [f"{name} {' '.join(f'{number:g}' for number in entry[name])}" for name in ("mean", "std")]
    fields: dict[str, list[str]] = {}
    for field, source in entry.get("stated_by", {}).items():
        fields.setdefault(source, []).append(field)
    sources = [f"{', '.join(names)} by {source}" for source, names in fields.items()]
    whole = [f"by {source}" for source in fields] if len(fields) == 1 else sources
    return "; ".join([", ".join(steps), *whole])


def label_lines(manifest: dict[str, Any]) -> list[Text]:
    """Who stated the names of the classes; nothing of the bundled models, nor where they are assumed, which the notes on images say."""
    stated_by, notes = manifest.get("labels_stated_by"), image_notes(manifest)
    if not stated_by or manifest["model"]["weights"] == "bundled" or any(stated_by in note for note in notes):
        return []
    return [Text(f"class names: {stated_by}", style="dim")]


def image_notes(manifest: dict[str, Any]) -> list[str]:
    """What a user should know of the images, a sentence each; older manifests do not say it."""
    return list((manifest.get("calibration") or {}).get("notes", ()))


def image_lines(notes: Iterable[str]) -> list[Text]:
    """What a user should know of the images, a line each."""
    return [Text(note if note.startswith("warning: ") else f"images: {note}", style="yellow") for note in notes]


def npu_lines(entries: list[dict[str, Any]]) -> list[Text]:
    """How NPU compilers take each artefact, and the operations that they leave."""
    lines = []
    for entry in entries:
        for npu in entry.get("npu", []):
            text = f"{entry['path']}: {npu['delegated_ops']} of {npu['total_ops']} operations on {npu['delegate']}"
            lines.append(Text("; ".join([text, *map(fallback_text, npu["fallback"])]), style="dim"))
    return lines


def fallback_text(fallback: dict[str, Any]) -> str:
    """An operation that was not taken, in words."""
    modules = ", ".join(fallback["modules"][:5])
    return f"not {fallback['count']} x {fallback['op']} ({fallback['reason']}){f' in {modules}' if modules else ''}"


def recovery_lines(manifest: dict[str, Any]) -> list[Text]:
    """That the model is another function than the original, and how far they agree; nothing for an original."""
    recovery = manifest.get("recovery")
    if recovery is None:
        return []
    before, after = recovery["before"], recovery["after"]
    text = (
        f"{manifest['model']['variation']} is not the original's function: {recovery['held_out']} held-out images agree"
        f" {before['agreement']:.4f} before and {after['agreement']:.4f} after recovery"
    )
    if after["top1"] is not None:
        text += (
            f", top-1 {before['top1']:.2f} and {after['top1']:.2f} % (original {recovery['original']['top1']:.2f} %)"
        )
    return [Text(text, style="bold yellow")]


def protection_lines(protection: dict[str, Any] | None) -> list[Text]:
    """Which modules int8 left float to keep its accuracy, and what that costs; nothing where there are none."""
    if not protection or not protection["modules"]:
        return []
    names = ", ".join(protection["modules"])
    return [Text(f"left float: {names}; modelled latency x {protection['latency_ratio']:.2f}", style="yellow")]


def accuracy_cells(validation: dict[str, Any]) -> tuple[str, str, str]:
    """SQNR, agreement, and the artefact's top-1 with the reference's in brackets."""
    top1 = "-"
    if validation["top1_artefact"] is not None:
        top1 = f"{validation['top1_artefact']:.2f} ({validation['top1_reference']:.2f})"
    return number(validation["sqnr_db"], ".1f"), number(validation["top1_agreement"], ".4f"), top1


def speed_lines(entries: list[dict[str, Any]]) -> list[Text]:
    """How long each artefact takes against the same model in fp32."""
    return [
        Text(
            f"{entry['path']}: {entry['speed']['ratio']['value']:.2f} of the time that fp32 takes on this machine"
            f" ({entry['speed']['ms']:.2f} and {entry['speed']['fp32_ms']:.2f} ms)",
            style="bold yellow" if is_slower(entry) else "dim",
        )
        for entry in entries
        if entry.get("speed")
    ]


def is_slower(entry: dict[str, Any]) -> bool:
    """Whether an artefact is slower than in fp32 on this machine, beyond doubt."""
    return bool(entry.get("speed")) and entry["speed"]["ratio"]["low"] > 1


def number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def validation_lines(entries: list[dict[str, Any]]) -> list[Text]:
    """What each verdict rests on, in words."""
    lines = []
    for entry in entries:
        validation = entry["validation"]
        text = f"{entry['path']}: {validation['images']} held-out images, {validation['runtime']}"
        if validation.get("probabilities", False):
            text += ", by probabilities"
        if entry.get("oldest_runtime"):
            text += f"; from {entry['oldest_runtime']} on"
        if validation["verdict"] != "passed":
            text += f"; {validation['reason']}"
        lines.append(Text(text, style="dim" if validation["verdict"] == "passed" else ""))
        lines += [size_line(size) for size in entry.get("sizes", ())]
        judges = entry.get("validations", ())
        lines += [judge_line(one) for one in judges if len(judges) > 1]
    return lines


def judge_line(validation: dict[str, Any]) -> Text:
    """What one judge of several found."""
    sqnr, agreement, top1 = accuracy_cells(validation)
    verdict = validation["verdict"]
    text = (
        f"  on {validation['on']}, {validation['runtime']}: {sqnr} dB, agreement {agreement}, top-1 {top1}, {verdict}"
    )
    return Text(text, style="dim" if verdict == "passed" else "")


def size_line(size: dict[str, Any]) -> Text:
    """What one size of a package with several showed."""
    sqnr, agreement, top1 = accuracy_cells(size["validation"])
    verdict = size["validation"]["verdict"]
    text = f"  {size['function']}: {sqnr} dB, agreement {agreement}, top-1 {top1}, {verdict}"
    return Text(text, style="dim" if verdict == "passed" else "")
