"""What docs/qualcomm.md says of Qualcomm's emulator: measured, kept in measured.json, and written into the page.

    python scripts/qualcomm/measure.py WORK [--only efficientvit_b2 ...]      # measures what measured.json lacks, a file at a time
    python scripts/qualcomm/measure.py --page                                  # writes the tables of docs/qualcomm.md

WORK keeps the portable files, so that a run that was ended goes on where it was. Bundled weights where there are such, judged on 64
held-out images; else random ones (`evit_mobile.reference.randomise`), int8, one SoC and 4 images, of the largest 1. Needs the extras
tflite and qualcomm.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MEASURED, PAGE = HERE / "measured.json", HERE.parents[1] / "docs" / "qualcomm.md"
MARKS = "<!-- measured -->\n", "<!-- /measured -->\n"

SOCS = ("SM8350", "SM8450", "SM8550", "SM8650", "SM8750", "SM8850")
BUNDLED = ("efficientvit_m0", "efficientvit_b0")
VARIANTS = tuple(f"efficientvit_{size}" for size in ("b2", "l1", "m1", "m2", "m3", "m4", "m5", "b1", "b3"))
LARGEST = ("efficientvit_l2", "efficientvit_l3")
BUNDLED_IMAGES, VARIANT_IMAGES, LARGEST_IMAGES, CALIBRATION_IMAGES = 64, 4, 1, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A portable file to be compiled for `socs` and judged on `images`."""

    model: str
    precision: str
    weights: str
    socs: tuple[str, ...]
    images: int

    @property
    def title(self) -> str:
        return f"{self.model}.{self.precision}"


SUBJECTS = (
    *(
        Subject(model=model, precision=precision, weights="bundled", socs=SOCS, images=BUNDLED_IMAGES)
        for precision in ("int8", "int8-full")
        for model in BUNDLED
    ),
    *(
        Subject(model=model, precision="int8", weights="random", socs=("SM8650",), images=images)
        for models, images in ((VARIANTS, VARIANT_IMAGES), (LARGEST, LARGEST_IMAGES))
        for model in models
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one file showed. `fault` is why there is no such file; the rest is then zero."""

    title: str
    weights: str
    soc: str
    images: int = 0
    sqnr_db: float = 0.0
    cpu_db: float = 0.0
    agreement: float = 0.0
    taken: int = 0
    operations: int = 0
    partitions: int | None = 0
    bytes: int = 0
    compile_s: float = 0.0
    image_s: float = 0.0
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portable:
    """A file for any CPU, images (N, 3, H, W), and the logits of reference and CPU for them."""

    path: Path
    images: Any
    expected: Any
    on_cpu: Any


def portable(subject: Subject, work: Path) -> Portable:
    """The file of a subject, of an earlier run where there is one."""
    import numpy as np

    path, beside = work / f"{subject.title}.tflite", work / f"{subject.title}.npz"
    if not beside.exists():
        write_portable(subject, path, beside)
    with np.load(beside) as kept:
        return Portable(path=path, **{name: kept[name] for name in ("images", "expected", "on_cpu")})


def write_portable(subject: Subject, path: Path, beside: Path) -> None:
    import numpy as np

    from converters.contract import Metadata, Precision
    from converters.registry import find_target
    from evit_mobile.images.data import calibration_images, held_out_images
    from evit_mobile.prepare.lowerable import Preparation
    from evit_mobile.prepare.preparation import prepare
    from evit_mobile.reference import load_reference

    reference, target = load_reference(subject.model, weights=subject.weights), find_target("tflite")
    preprocess = reference.preprocessing.preprocess
    counted = {} if subject.weights == "bundled" else {"count": CALIBRATION_IMAGES}
    calibration = calibration_images(None, preprocess, 0, **counted)
    held_out = held_out_images(None, calibration, preprocess, 0).limited(subject.images)
    precision = Precision(subject.precision)
    asked = Preparation(
        reference=reference, calibration=calibration, held_out=held_out, precision=precision, targets=[target]
    )
    (lowerable,) = prepare(asked, lambda doing: print("  ", doing, flush=True)).values()
    target.lower(lowerable.program, precision, path, Metadata(description=subject.title))
    images = np.concatenate(list(held_out.batches()))
    expected, on_cpu = lowerable.stages[0][1], target.load(path)(images)
    np.savez(beside, images=images, expected=expected, on_cpu=on_cpu)


def measure(subject: Subject, file: Portable, soc: str) -> Row:
    """Compiles for one SoC and runs in its emulator."""
    from converters.contract import Precision
    from converters.errors import ToolchainError
    from converters.tflite.qualcomm import QualcommTarget
    from evit_mobile.metrics import sqnr_db, top1_agreement

    target = QualcommTarget(soc)
    path, started = file.path.with_suffix(target.suffix), time.perf_counter()
    try:
        artefact = target.compile(file.path, Precision(subject.precision), path)
    except ToolchainError as error:
        return Row(title=subject.title, weights=subject.weights, soc=soc, fault=str(error).splitlines()[0])
    compiled = time.perf_counter()
    delegation = target.inspect(path).delegation
    assert delegation is not None
    given = target.load(path)(file.images)
    return Row(
        title=subject.title,
        weights=subject.weights,
        soc=soc,
        images=len(file.images),
        sqnr_db=round(sqnr_db(given, file.expected), 2),
        cpu_db=round(sqnr_db(file.on_cpu, file.expected), 2),
        agreement=round(top1_agreement(given, file.expected), 4),
        taken=delegation.delegated_ops,
        operations=delegation.total_ops,
        partitions=delegation.partitions,
        bytes=artefact.bytes,
        compile_s=round(compiled - started, 1),
        image_s=round((time.perf_counter() - compiled) / len(file.images), 2),
    )


def read() -> list[Row]:
    return [Row(**row) for row in json.loads(MEASURED.read_text())] if MEASURED.exists() else []


def run(work: Path, only: list[str]) -> None:
    """Measures what is not yet measured, and keeps each figure at once."""
    work.mkdir(parents=True, exist_ok=True)
    for subject in SUBJECTS:
        done = {(row.title, row.soc) for row in read()}
        left = [soc for soc in reversed(subject.socs) if (subject.title, soc) not in done]
        if not left or (only and subject.model not in only):
            continue
        print(subject.title, flush=True)
        file = portable(subject, work)
        for soc in left:
            row = measure(subject, file, soc)
            MEASURED.write_text(json.dumps([asdict(one) for one in (*read(), row)], indent=1) + "\n")
            print(row, flush=True)


def tables(rows: list[Row]) -> str:
    """Both tables in Markdown: the bundled models by SoC, and the other variants."""
    return f"{bundled_table(rows)}\n{variants_table(rows)}"


def bundled_table(rows: list[Row]) -> str:
    lines = [f"| file | operations | CPU | {' | '.join(SOCS)} | size |", "|---" * (len(SOCS) + 4) + "|"]
    for title in dict.fromkeys(row.title for row in rows if row.weights == "bundled"):
        own = {row.soc: row for row in rows if row.title == title}
        run_ones = [row for row in own.values() if row.images]
        cells = [cell(own.get(soc)) for soc in SOCS]
        sizes = sorted({round(row.bytes / 1e6, 1) for row in run_ones})
        name = title.removeprefix("efficientvit_").replace(".", " ")
        size = f"{sizes[0]} to {sizes[-1]} MB" if len(sizes) > 1 else f"{sizes[0]} MB"
        whole = f"{run_ones[0].taken} of {run_ones[0].operations}"
        lines.append(f"| {name} | {whole} | {run_ones[0].cpu_db:.1f} | {' | '.join(cells)} | {size} |")
    return "\n".join(lines) + "\n"


def cell(row: Row | None) -> str:
    if row is None:
        return "-"
    return "refused" if row.fault else f"{row.sqnr_db:.1f}"


def variants_table(rows: list[Row]) -> str:
    lines = [
        "| variant | operations | CPU | SM8650 | images | size | seconds to compile, an image |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row.weights == "random" and row.images:
            name = row.title.removeprefix("efficientvit_").removesuffix(".int8")
            cells = (
                name,
                f"{row.taken} of {row.operations}",
                f"{row.cpu_db:.1f}",
                f"{row.sqnr_db:.1f}",
                str(row.images),
                f"{row.bytes / 1e6:.0f} MB",
                f"{row.compile_s:.0f}, {row.image_s:.1f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(text: str, rows: list[Row]) -> str:
    """The page `text` with these tables between its marks."""
    before, _, rest = text.partition(MARKS[0])
    _, _, behind = rest.partition(MARKS[1])
    return before + MARKS[0] + "\n" + tables(rows) + "\n" + MARKS[1] + behind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="?")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    if given.page:
        PAGE.write_text(page(PAGE.read_text("utf-8"), read()), "utf-8")
    elif given.work is None:
        parser.error("a folder to work in, or --page")
    else:
        run(given.work, given.only)


if __name__ == "__main__":
    main()
