"""A segmentation model on the web demo: each picture in the colours of its classes.

    npm install @litertjs/core@2.5.3                            # once, here; in a checkout `npm ci --prefix web_demo`
    python examples/segmentation_in_the_browser.py WORK         writes WORK/segmentation and serves it until Ctrl-C

With random weights, since none are brought along: colours mean nothing. With your own, give `weights="mine.pth"`, labels and photos.
"""

from __future__ import annotations

import sys
from pathlib import Path

import evit_mobile
from evit_mobile.demos.serve import serve

MODEL = "efficientvit_seg_b0_cityscapes"


def write(work: Path) -> Path:
    """The folder with a LiteRT file in fp32, proven per pixel."""
    conversion = evit_mobile.convert(
        MODEL, weights="random", size=(128, 256), formats=["tflite"], precision="fp32", out=work / "segmentation"
    )
    assert conversion.proven, conversion.manifest.artefacts
    return conversion.folder


if __name__ == "__main__":
    serve(write(Path(sys.argv[1])), port=8000, node_modules=None, ready=lambda address: print(f"open {address}"))
