"""A cell's name: readable, and a digest over everything that its result depends on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from calib.opening import open_dataset
from calib.shards import is_sharded, open_shards
from converters.files import sha256
from evit_mobile.errors import UsageError
from evit_mobile.models.bundled import BUNDLED, DEFAULT_MODEL, bundled_checkpoint
from evit_mobile.request import ConvertRequest
from evit_mobile.strict_json import plain
from evit_mobile.sweeps.plan import EvaluationPlan
from evit_mobile.version import __version__

NOT_CONTENT = ("out", "cache")
"""Fields that a result does not depend on."""
DIGITS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One request, what it is evaluated on, and its name. `weights` is the file that has to be where it is converted, and its SHA-256."""

    name: str
    digest: str
    request: ConvertRequest
    evaluate: EvaluationPlan | None
    weights: tuple[str, str] | None

    @property
    def title(self) -> str:
        return titled(self.request)


def titled(request: ConvertRequest) -> str:
    """The request for people, as "efficientvit_m0 64x64 int8 tflite"."""
    model = request.model or (Path(request.weights).stem if request.weights else DEFAULT_MODEL)
    size = "x".join(map(str, request.size)) if request.size else ""
    return " ".join(filter(None, [model, size, str(request.precision), *(request.formats or ())]))


class Digests:
    """Names cells; what several depend on is read once."""

    def __init__(self) -> None:
        self._file = cache(file_digest)
        self._images = cache(images_digest)

    def cell(self, request: ConvertRequest, evaluate: EvaluationPlan | None) -> Cell:
        """The cell of a request. Raises UsageError for a file that is not there, DataError for images that cannot be opened."""
        content = plain(request.to_json())
        for name in NOT_CONTENT:
            del content[name]
        weights = weights_file(request)
        content["weights"] = self._file(weights) if weights else request.weights
        parts: tuple[tuple[str, Callable[[str], str]], ...] = (("labels", self._file), ("calib", self._images))
        for name, read in parts:
            content[name] = None if content[name] is None else read(content[name])
        if request.preprocess is not None and Path(request.preprocess).is_file():
            content["preprocess"] = self._file(request.preprocess)
        document = {"request": content, "evaluate": self._evaluation(evaluate), "version": __version__}
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        own = weights if weights and request.weights not in (None, "bundled") else None
        return Cell(
            name=f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', titled(request))}-{digest[:DIGITS]}",
            digest=digest,
            request=request,
            evaluate=evaluate,
            weights=None if own is None else (own, self._file(own)),
        )

    def _evaluation(self, evaluate: EvaluationPlan | None) -> dict[str, Any] | None:
        if evaluate is None:
            return None
        labels = None if evaluate.labels is None else self._file(evaluate.labels)
        return asdict(evaluate) | {"images": self._images(evaluate.images), "labels": labels}


def weights_file(request: ConvertRequest) -> str | None:
    """The file of a request's weights; None where they are a hub's, or random."""
    if request.weights in (None, "bundled"):
        model = request.model or DEFAULT_MODEL
        return str(bundled_checkpoint(model)) if model in BUNDLED else None
    named = str(request.weights)
    return None if named in ("random", "hub") or "://" in named else named


def file_digest(path: str) -> str:
    """SHA-256 of a file. Raises UsageError where there is none."""
    if not Path(path).exists():
        raise UsageError(got=f"{path}, which does not exist", allowed="a file", do="correct the plan")
    return sha256(Path(path))


def images_digest(path: str) -> str:
    """SHA-256 over the images, labels and class names of a data set; of tars and Parquet files by path or URL over what tells one version
    from another. Raises DataError.
    """
    if is_sharded(path):
        return hashlib.sha256(json.dumps(open_shards(path).marks()).encode()).hexdigest()
    dataset = open_dataset(path)
    return hashlib.sha256(json.dumps([dataset.digest(), dataset.class_names]).encode()).hexdigest()
