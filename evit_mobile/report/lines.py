"""What stands under a table in words, a line each, and the cells that tables share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from rich.text import Text

from converters.contract import Fallback
from evit_mobile.findings import Protection, SizeValidation, Validation, Verdict
from evit_mobile.record.manifest import ArtefactEntry, InputEntry, Manifest

if TYPE_CHECKING:
    from evit_mobile.commands.per_operation import OperationCheck


class Judged(Protocol):
    """An artefact as its judges found it, in a manifest or again."""

    @property
    def validations(self) -> tuple[Validation, ...]: ...

    @property
    def sizes(self) -> tuple[SizeValidation, ...]: ...

    @property
    def validation(self) -> Validation: ...


def note_lines(notes: Iterable[str]) -> list[Text]:
    """What was decided while the weights were loaded, a line each."""
    return [Text(f"weights: {note}", style="dim") for note in notes]


def input_lines(entry: InputEntry) -> list[Text]:
    """How images become the model's input, who said so, and what contradicted it; `entry` is a manifest's "input"."""
    lines = [Text(f"images: {preprocessing_text(entry)}", style="dim")]
    return lines + [Text(f"images: {note}", style="yellow") for note in entry.notes]


def preprocessing_text(entry: InputEntry) -> str:
    """The steps of a manifest's "input" in words, and after them the sources of its fields where it names them."""
    resize, crop = entry.resize, entry.crop
    verb = "squashed to" if resize.mode == "squash" else "scaled to cover"
    steps = [f"{verb} {'x'.join(map(str, resize.size))} ({entry.interpolation})"]
    if crop.size != resize.size or resize.mode != "squash":
        steps.append(f"cropped to {'x'.join(map(str, crop.size))}")
    for name, numbers in (("mean", entry.mean), ("std", entry.std)):
        steps.append(f"{name} {' '.join(f'{number:g}' for number in numbers)}")
    fields: dict[str, list[str]] = {}
    for field, source in entry.stated_by.items():
        fields.setdefault(source, []).append(field)
    sources = [f"{', '.join(names)} by {source}" for source, names in fields.items()]
    whole = [f"by {source}" for source in fields] if len(fields) == 1 else sources
    return "; ".join([", ".join(steps), *whole])


def label_lines(manifest: Manifest) -> list[Text]:
    """Who stated the names of the classes; nothing of the bundled models, nor where they are assumed, which the notes on images say."""
    stated_by, notes = manifest.labels_stated_by, manifest.calibration.notes
    if not stated_by or manifest.model.weights == "bundled" or any(stated_by in note for note in notes):
        return []
    return [Text(f"class names: {stated_by}", style="dim")]


def image_lines(notes: Iterable[str]) -> list[Text]:
    """What a user should know of the images, a line each."""
    return [Text(note if note.startswith("warning: ") else f"images: {note}", style="yellow") for note in notes]


def npu_lines(entries: Iterable[ArtefactEntry]) -> list[Text]:
    """How NPU compilers take each artefact, and the operations that they leave."""
    lines = []
    for entry in entries:
        for npu in entry.npu:
            text = f"{entry.path}: {npu.delegated_ops} of {npu.total_ops} operations on {npu.delegate}"
            lines.append(Text("; ".join([text, *map(fallback_text, npu.fallback)]), style="dim"))
    return lines


def fallback_text(fallback: Fallback) -> str:
    """An operation that was not taken, in words."""
    modules = ", ".join(fallback.modules[:5])
    return f"not {fallback.count} x {fallback.op} ({fallback.reason}){f' in {modules}' if modules else ''}"


def recovery_lines(manifest: Manifest) -> list[Text]:
    """That the model is another function than the original, and how far they agree; nothing for an original."""
    recovery = manifest.recovery
    if recovery is None:
        return []
    before, after, original = recovery.before, recovery.after, recovery.original
    text = (
        f"{manifest.model.variation} is not the original's function: {recovery.held_out} held-out images agree"
        f" {before.agreement:.4f} before and {after.agreement:.4f} after recovery"
    )
    if after.top1 is not None:
        text += (
            f", top-1 {number(before.top1, '.2f')} and {after.top1:.2f} % (original {number(original.top1, '.2f')} %)"
        )
    return [Text(text, style="bold yellow")]


def protection_lines(entries: Iterable[ArtefactEntry]) -> list[Text]:
    """Which modules int8 left float to keep its accuracy, and what that costs, each once; nothing where there are none."""
    found = dict.fromkeys(entry.protection for entry in entries)
    return [protection_line(protection) for protection in found if protection is not None and protection.modules]


def protection_line(protection: Protection) -> Text:
    names = ", ".join(protection.modules)
    return Text(f"left float: {names}; modelled latency x {protection.latency_ratio:.2f}", style="yellow")


def accuracy_cells(validation: Validation) -> tuple[str, str, str]:
    """SQNR, agreement, and the artefact's top-1 with the reference's in brackets."""
    top1 = "-"
    if validation.top1_artefact is not None:
        top1 = f"{validation.top1_artefact:.2f} ({number(validation.top1_reference, '.2f')})"
    return number(validation.sqnr_db, ".1f"), number(validation.top1_agreement, ".4f"), top1


def speed_lines(entries: Iterable[ArtefactEntry]) -> list[Text]:
    """How long each artefact takes against the same model in fp32."""
    return [
        Text(
            f"{entry.path}: {entry.speed.ratio.value:.2f} of the time that fp32 takes on this machine"
            f" ({entry.speed.ms:.2f} and {entry.speed.fp32_ms:.2f} ms)",
            style="bold yellow" if is_slower(entry) else "dim",
        )
        for entry in entries
        if entry.speed is not None
    ]


def is_slower(entry: ArtefactEntry) -> bool:
    """Whether an artefact is slower than in fp32 on this machine, beyond doubt."""
    return entry.speed is not None and entry.speed.ratio.low > 1


def number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def validation_lines(
    path: str, judged: Judged, oldest_runtime: str | None = None, unproven: str | None = None
) -> list[Text]:
    """What the verdict on the artefact at `path` rests on, in words."""
    validation = judged.validation
    text = f"{path}: {validation.images} held-out images, {validation.runtime}"
    if validation.probabilities:
        text += ", by probabilities"
    if oldest_runtime is not None:
        text += f"; from {oldest_runtime} on"
    if validation.verdict is not Verdict.PASSED:
        text += f"; {validation.reason}"
    if unproven is not None:
        text += f"; unproven: {unproven}"
    lines = [Text(text, style=verdict_style(validation)), *map(size_line, judged.sizes)]
    return lines + [judge_line(one) for one in judged.validations if len(judged.validations) > 1]


def operations_line(check: OperationCheck) -> Text:
    """What running a file's operations one by one showed."""
    text = f"  on {check.on}, {check.operations} operations one by one: "
    if not check.off:
        return Text(f"{text}none is more than one quantum off {check.beside}", style="dim")
    first = check.off[0]
    where = f"{first.operation} of {first.module or 'the model itself'} ({first.tensor})"
    share = f"{first.quanta} quanta, {100 * first.differing:.1f} % of its values differ"
    return Text(f"{text}{len(check.off)} are more than one quantum off {check.beside}, the first {where}: {share}")


def verdict_style(validation: Validation) -> str:
    """What passed is told quietly."""
    return "dim" if validation.verdict is Verdict.PASSED else ""


def judge_line(validation: Validation) -> Text:
    """What one judge of several found."""
    return Text(f"  on {validation.on}, {validation.runtime}: {figures(validation)}", style=verdict_style(validation))


def size_line(size: SizeValidation) -> Text:
    """What one size of a package with several showed."""
    return Text(f"  {size.function}: {figures(size.validation)}", style=verdict_style(size.validation))


def figures(validation: Validation) -> str:
    """A verdict and what it was measured by."""
    sqnr, agreement, top1 = accuracy_cells(validation)
    return f"{sqnr} dB, agreement {agreement}, top-1 {top1}, {validation.verdict}"
