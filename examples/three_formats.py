"""A fine-tuned timm model to Core ML, LiteRT and ExecuTorch in int8, each file proven, and one of them used.

python examples/fine_tune.py WORK
python examples/three_formats.py WORK      writes WORK/release
"""

from __future__ import annotations

import sys
from pathlib import Path

import evit_mobile


def main(work: Path) -> evit_mobile.Conversion:
    conversion = evit_mobile.convert(
        weights=work / "model_best.pth.tar",
        calib=work / "photos",
        formats=["coreml", "tflite", "executorch"],
        precision="int8",
        out=work / "release",
        report=lambda line: print(line, file=sys.stderr),
    )
    for entry in conversion.manifest.artefacts:
        validation = entry.validation
        print(f"{entry.path}: {validation.verdict}, {validation.sqnr_db:.1f} dB on {validation.images} photos")
    photo = next((work / "photos" / "Sandal").iterdir())
    model = evit_mobile.load(work / "release" / "efficientvit_m0.int8.tflite")
    print(f"{photo.name} shows: {model.labels[int(model([photo]).argmax())]}")
    return conversion


if __name__ == "__main__":
    sys.exit(0 if main(Path(sys.argv[1])).proven else 1)
