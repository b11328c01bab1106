"""Makes the images bundled in calib/data: Fashion-MNIST's test set as it is, and 1,024 training images for calibration.

    apt-get install dataset-fashion-mnist
    python training/make_calibration_sample.py            # writes calib/data
    python training/make_calibration_sample.py --check    # exits 1 if calib/data holds anything else

The training images are chosen by `calib.splits.select` with seed 0: as many of each class, no image twice, and none
that is also in the test set (measured: Fashion-MNIST repeats no image). They keep the order in which they were chosen,
classes interleaved.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calib.datasets import ImageDataset
from calib.images import content_digest
from calib.opening import open_dataset
from calib.splits import select

SOURCE = Path("/usr/share/datasets/fashion-mnist")
TARGET = Path(__file__).resolve().parent.parent / "calib" / "data"
COUNT = 1024
TEST_FILES = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
IMAGES, LABELS = "calibration-images-idx3-ubyte.gz", "calibration-labels-idx1-ubyte.gz"


def choose(train: ImageDataset, test: ImageDataset, count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (count, 28, 28) and labels (count,) of `train`, balanced over classes and not in `test`."""
    test_contents = {content_digest(test.item(index)) for index in range(len(test))}
    selection = select(train, count, seed=0, minimum=count, accept=lambda content: content not in test_contents)
    images = [np.asarray(train.item(index)) for index in selection.indices]
    return np.stack(images), np.array(selection.labels, np.uint8)


def encode_idx(values: NDArray[np.uint8]) -> bytes:
    """`values` as an uncompressed idx file."""
    sizes = b"".join(side.to_bytes(4, "big") for side in values.shape)
    return bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes()


def contents() -> dict[str, bytes]:
    """What every file in calib/data holds, uncompressed, by name."""
    train = open_dataset(SOURCE / "train-images-idx3-ubyte.gz")
    test = open_dataset(SOURCE / TEST_FILES[0])
    images, labels = choose(train, test, COUNT)
    chosen = {IMAGES: encode_idx(images), LABELS: encode_idx(labels)}
    return chosen | {name: gzip.decompress((SOURCE / name).read_bytes()) for name in TEST_FILES}


def differing(expected: dict[str, bytes]) -> list[str]:
    """Names of the files in calib/data that are missing or hold something else."""
    present = {name: TARGET / name for name in expected if (TARGET / name).is_file()}
    return [
        name
        for name, content in expected.items()
        if name not in present or gzip.decompress(present[name].read_bytes()) != content
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    expected = contents()
    if arguments.check:
        wrong = differing(expected)
        print(f"differing: {', '.join(wrong)}" if wrong else "calib/data is what this script makes")
        return 1 if wrong else 0
    for name in TEST_FILES:
        (TARGET / name).write_bytes((SOURCE / name).read_bytes())
    for name in (IMAGES, LABELS):
        (TARGET / name).write_bytes(gzip.compress(expected[name], mtime=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
