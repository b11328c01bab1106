"""MediaPipe's ImageSegmenter on pixels: `python mediapipe_segment.py MODEL PIXELS.npy MASKS.npy` prints the labels in the model.

MASKS.npy gets the confidence of every class, (images, classes, height, width). Runs in MediaPipe's environment and imports nothing of
ours. No file but the model is given.
"""

import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import vision


def main(model: str, pixels: str, masks: str) -> None:
    options = vision.ImageSegmenterOptions(
        base_options=tasks.BaseOptions(model_asset_path=model), output_confidence_masks=True
    )
    found = []
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        for image in np.load(pixels):
            result = segmenter.segment(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image)))
            found.append([mask.numpy_view().squeeze().copy() for mask in result.confidence_masks])
        print(json.dumps(list(segmenter.labels)))
    np.save(masks, np.array(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
