"""Whether two checkouts write the same bytes: every format and precision of some models, at a small size.

    python scripts/same_bytes.py OLD NEW [--models efficientvit_m0 efficientvit_b0] [--size 64] [--only int8 int8-full] [--python PATH]

Each conversion is a process of its own with the checkout on PYTHONPATH, by the command line, which both have. Prints one line per
artefact; exit code 1 where a digest differs or only one of them wrote a file. A file that failed its validation counts as well: its
bytes are what is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = {
    "fp32": ["--fp32"],
    "fp16": ["--fp16"],
    "int8": ["--int8"],
    "int8-weights": ["--int8-weights"],
    "int8-full": ["--int8-full"],
    "int8-full-float-io": ["--int8-full", "--float-io"],
    "fp16-palette4": ["--fp16", "--palette", "4"],
    "int8-palette6": ["--int8", "--palette", "6"],
    "coreml-image": ["--fp16", "--format", "coreml", "--image-input", "--class-output"],
    "coreml-sizes": ["--fp16", "--format", "coreml", "--sizes", "64,96"],
    "delegate-coreml": ["--int8", "--format", "executorch", "--delegate", "coreml"],
    "delegate-vulkan": ["--fp32", "--format", "executorch", "--delegate", "vulkan"],
}
"""Options of each conversion, without which all formats of the precision are written."""


def digests(checkout: Path, model: str, options: list[str], size: int, python: str) -> dict[str, str]:
    """SHA-256 of every artefact that `checkout` writes, by name; the error in place of them where it writes none."""
    sized = options if "--sizes" in options else [*options, "--size", str(size)]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            python,
            "-m",
            "evit_mobile.cli",
            "convert",
            "--model",
            model,
            *sized,
            "--golden",
            "0",
            "--out",
            folder,
        ]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        manifest = Path(folder) / "manifest.json"
        if done.returncode not in (0, 1) or not manifest.exists():
            return {"(nothing)": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no message"}
        return {entry["path"]: entry["sha256"] for entry in json.loads(manifest.read_text())["artefacts"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--models", nargs="+", default=["efficientvit_m0", "efficientvit_b0"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--python", default=sys.executable)
    asked = parser.parse_args()
    differences = 0
    for model in asked.models:
        for name in asked.only:
            old, new = (
                digests(checkout.resolve(), model, RUNS[name], asked.size, asked.python)
                for checkout in (asked.old, asked.new)
            )
            for path in sorted(old.keys() | new.keys()):
                same = old.get(path) == new.get(path) and not path.startswith("(")
                differences += not same
                print(
                    f"{'same' if same else 'DIFFERS'}  {name:20}{path}  {new.get(path, 'not written')[:60]}", flush=True
                )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
