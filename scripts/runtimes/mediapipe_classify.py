"""MediaPipe's ImageClassifier on pixels: `python mediapipe_classify.py MODEL PIXELS.npy` prints [[name, class, score] ...] of every image.

Runs in MediaPipe's environment and imports nothing of ours. No file but the model is given.
"""

import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import vision


def main(model: str, pixels: str) -> None:
    options = vision.ImageClassifierOptions(
        base_options=tasks.BaseOptions(model_asset_path=model), max_results=-1, score_threshold=0.0
    )
    found = []
    with vision.ImageClassifier.create_from_options(options) as classifier:
        for image in np.load(pixels):
            result = classifier.classify(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)))
            (head,) = result.classifications
            found.append([[one.category_name, one.index, one.score] for one in head.categories])
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
