"""Whether two checkouts write the same bytes: every format and precision of some models.

    python scripts/same_bytes.py OLD NEW [--models efficientvit_m0 ...] [--size N] [--only int8 ...] [--formats tflite ...]
        [--cpu-only] [--kept FOLDER]

OLD and NEW are folders with the three packages. Each conversion is a process of its own that imports them from there: with the bundled
weights or random ones, the same few images, its checkout's own cache of calibrations, and one version of evit-mobile, which some formats
store. What was written is compared file by file, byte by byte; no manifest's digest is believed. A file that so few images do not prove
counts as well. --cpu-only is for a NEW that has that option and an OLD that wrote nothing else. With --kept, what a folder has written is
taken from there the next time.

Prints a line per artefact; exit code 1 where one differs or was not written by both.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ALL = ("coreml", "tflite", "executorch")
RUNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "fp32": (("--fp32",), ALL),
    "fp16": (("--fp16",), ALL),
    "int8": (("--int8",), ALL),
    "int8-weights": (("--int8-weights",), ("coreml", "tflite")),
    "int8-full": (("--int8-full",), ("tflite",)),
    "int8-full-float-io": (("--int8-full", "--float-io"), ("tflite",)),
    "fp16-palette4": (("--fp16", "--palette", "4"), ("coreml",)),
    "fp16-palette6": (("--fp16", "--palette", "6"), ("coreml",)),
    "int8-palette4": (("--int8", "--palette", "4"), ("coreml",)),
    "int8-palette6": (("--int8", "--palette", "6"), ("coreml",)),
    "image": (("--fp16", "--image-input", "--class-output"), ("coreml",)),
    "delegate-coreml": (("--int8", "--delegate", "coreml"), ("executorch",)),
    "delegate-vulkan": (("--fp32", "--delegate", "vulkan"), ("executorch",)),
}
"""Options of each conversion, and the formats that it writes."""

BUNDLED = ("efficientvit_m0", "efficientvit_b0")
MODELS = (*BUNDLED, "efficientvit_l1")
IMAGES = Path("calib", "data", "t10k-images-idx3-ubyte.gz")

ONE_VERSION = """
import sys
import evit_mobile
evit_mobile.__version__ = "0"
try:
    from evit_mobile import version
    version.__version__ = "0"
except ImportError:  # where it has no file of its own
    pass
from evit_mobile.cli import main
sys.argv[0] = "evit-mobile"
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A call of `convert`: the options that every checkout has, and the formats."""

    model: str
    run: str
    options: tuple[str, ...]
    formats: tuple[str, ...]

    def written(self, checkout: Path, images: Path, kept: Path, further: Sequence[str] = ()) -> dict[str, Path]:
        """What `checkout` writes with `further` options, by file name. Says why where something is missing."""
        folder = kept.joinpath(checkout.name, "_".join((self.model, *self.options, *self.formats, *further)))
        if not (folder / "manifest.json").exists():
            formats = [word for format in self.formats for word in ("--format", format)]
            command = [sys.executable, "-c", ONE_VERSION, "convert", "--model", self.model, *self.options, *formats]
            command += [*further, "--calib", str(images), "--golden", "0", "--out", str(folder)]
            cache = str(kept / checkout.name / "cache")
            environment = {**os.environ, "PYTHONPATH": str(checkout), "XDG_CACHE_HOME": cache}
            done = subprocess.run(command, cwd=kept, env=environment, capture_output=True, text=True, check=False)
            if done.returncode not in (0, 1):
                print(f"{checkout}: exit code {done.returncode}: {done.stderr.strip()[-300:]}", flush=True)
        if not (folder / "manifest.json").exists():
            return {}
        entries = json.loads((folder / "manifest.json").read_text())["artefacts"]
        return {entry["path"]: folder / entry["path"] for entry in entries}


def conversions(asked: argparse.Namespace) -> list[Conversion]:
    found = []
    for model in asked.models:
        weights = () if model in BUNDLED else ("--weights", "random")
        size = () if asked.size is None else ("--size", str(asked.size))
        for run in asked.only:
            options, formats = RUNS[run]
            if chosen := tuple(format for format in formats if format in asked.formats):
                found.append(Conversion(model=model, run=run, options=(*options, *weights, *size), formats=chosen))
    return found


def few_images(checkout: Path, count: int, path: Path) -> Path:
    """The first `count` images of the bundled test set, as an .npz file of shape (count, 28, 28)."""
    pixels = np.frombuffer(gzip.decompress((checkout / IMAGES).read_bytes()), np.uint8, offset=16)
    np.savez(path, images=pixels.reshape(-1, 28, 28)[:count])
    return path


def content(artefact: Path) -> dict[str, bytes]:
    """The bytes of a file, or of every file of a package by its path inside."""
    if artefact.is_file():
        return {artefact.name: artefact.read_bytes()}
    inside = (path for path in artefact.rglob("*") if path.is_file())
    return {path.relative_to(artefact).as_posix(): path.read_bytes() for path in inside}


def differences(old: Path, new: Path) -> list[str]:
    """What differs between two artefacts, in words; nothing where they are equal to the byte."""
    found = []
    before, after = content(old), content(new)
    for path in sorted(before.keys() | after.keys()):
        if path not in before or path not in after:
            found.append(f"{path} only in {'NEW' if path in after else 'OLD'}")
        elif before[path] != after[path]:
            both = (np.frombuffer(one[path], np.uint8) for one in (before, after))
            sizes = f"{len(before[path])} and {len(after[path])} bytes"
            found.append(f"{path}, {sizes}, {places(*both)}")
    return found


def places(old: np.ndarray, new: np.ndarray) -> str:
    """Where two different files differ."""
    length = min(len(old), len(new))
    unequal = np.flatnonzero(old[:length] != new[:length])
    return f"{len(unequal)} differ, the first at {unequal[0]}" if len(unequal) else f"one ends at {length}"


def compare(old: dict[str, Path], new: dict[str, Path], expected: int) -> list[tuple[str, list[str]]]:
    """(artefact, what differs) of everything that either wrote; what neither wrote of the `expected` number is told, too."""
    found = []
    for name in sorted(old.keys() | new.keys()):
        if name in old and name in new:
            found.append((name, differences(old[name], new[name])))
        else:
            found.append((name, [f"only {'OLD' if name in old else 'NEW'} wrote it"]))
    missing = expected - len(found)
    return found + ([(f"{missing} of {expected}", ["neither wrote them"])] if missing else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--size", type=int)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--formats", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--cpu-only", action="store_true")
    parser.add_argument("--kept", type=Path)
    asked = parser.parse_args()
    old, new = asked.old.resolve(), asked.new.resolve()
    unequal = 0
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) if asked.kept is None else asked.kept.resolve()
        kept.mkdir(parents=True, exist_ok=True)
        images = few_images(new, asked.images, Path(scratch, "images.npz"))
        for conversion in conversions(asked):
            further = ("--cpu-only",) if asked.cpu_only and "tflite" in conversion.formats else ()
            before = conversion.written(old, images, kept)
            after = conversion.written(new, images, kept, further)
            for name, found in compare(before, after, len(conversion.formats)):
                unequal += bool(found)
                print(f"{'DIFFERS' if found else 'same':9}{conversion.run:20}{name}  {'; '.join(found)}", flush=True)
    return 1 if unequal else 0


if __name__ == "__main__":
    sys.exit(main())
