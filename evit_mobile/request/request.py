"""ConvertRequest. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from calib.methods import Method
from converters.contract import Precision
from evit_mobile.errors import UsageError
from evit_mobile.request.checks import MODULE, check_values
from evit_mobile.request.precisions import check_works
from evit_mobile.spec import ModelSpec, Task, Variation
from evit_mobile.strict_json import FieldError, read


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest:
    """Everything that one conversion is asked for.

    `model` is a variant's name, None for the one that the weights tell or the bundled efficientvit_m0, or "module" for the live
    `module` of timm's, MIT's or Microsoft's class. `weights` is a file, "bundled", "hub", "hf://OWNER/NAME" or "random". `size` is
    (height, width) in pixels; `sizes`, in place of it, are all that a Core ML package takes images of, and the first is everything
    else's. `calib` is a folder or file of images: half of them calibrate, the others judge.

    `preprocess`, a JSON file, "timm:NAME" or "torchvision", says how images become the input; so do `mean` and `std` (one number or
    three, of values from 0 to 1), `crop_pct`, `interpolation`, `resize` ("cover" or "squash") and `color` ("RGB" or "BGR", the order of
    the model's channels and of these numbers), each of which beats it. What is None is as stated with the weights, or the variant's
    default (docs/bring-your-own-model.md).

    `formats` None is every one that has the precision; `delegate` is what an ExecuTorch file calls, XNNPACK by default.
    `float_io` gives an int8-full artefact float input and output. `max_drop` is how many points of top-1 (of agreement, without
    labels) an int8 artefact may lose; modules stay float until it does not. With `image_input` a file takes an 8-bit RGB
    image that it normalises itself, with `class_output` it gives probabilities and names the classes; `ios` is the oldest release that
    a Core ML package has to run on, None for what the precision needs. `labels` is a file with the names of the classes, in place of
    those that come with the weights. `cpu_only` gives LiteRT files that no GPU has to run (docs/gpu.md).

    `observer` is how int8 ranges follow from the calibration images: the one with the least squared error ("mse"), or "min-max",
    "moving-average", "percentile" or "entropy" (docs/quantization.md).

    `task` is "multilabel" for a classifier that decides on each class by itself, None for what the model is. With `allow_few`, fewer
    held-out images than a verdict rests on are enough to pass.

    `socs` are Qualcomm's SoCs by name ("SM8650"): beside the LiteRT file there is then one that is compiled for each of them.

    `on` are the judges that run the written files, each of which has to pass them; a format that none of them judges has its usual one
    (`converters.registry`, `evit-mobile doctor`).

    With a `variation` the model's function changes: it is recovered from the original, in `recovery_steps` steps, on images that do
    not judge, and its weights are written beside the artefacts, which are proven against them. `golden` is the number of golden
    vectors to write for apps (docs/golden.md); only classifiers have them. With `cache`, a calibration that was done before is not
    repeated. Paths are kept as given. Raises UsageError for what cannot be asked for together.
    """

    model: str | None = None
    module: Any = field(default=None, repr=False, compare=False)  # an nn.Module: naming its type would load torch
    weights: str | None = None
    num_classes: int | None = None
    task: Task | None = None
    labels: str | None = None
    size: tuple[int, int] | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    variation: Variation | None = None
    recovery_steps: int | None = None

    formats: tuple[str, ...] | None = None
    delegate: str | None = None
    precision: Precision = Precision.INT8
    float_io: bool = False
    socs: tuple[str, ...] = ()
    max_drop: float | None = None

    calib: str | None = None
    preprocess: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    resize: str | None = None
    color: str | None = None
    observer: Method = Method.MSE
    seed: int = 0
    cache: bool = True
    allow_few: bool = False

    on: tuple[str, ...] = ()
    image_input: bool = False
    class_output: bool = False
    ios: int | None = None
    cpu_only: bool = False

    golden: int = 8
    out: str = "out"

    def __post_init__(self) -> None:
        check_values(self)

    @classmethod
    def of(cls, model: object = None, **options: Any) -> ConvertRequest:
        """The request for a variant's name, a ModelSpec or a live module; `options` are fields, as Python has them.

        Raises UsageError, also for a value of another type than its field's.
        """
        if isinstance(model, ModelSpec):
            own = {"num_classes": model.num_classes} | ({} if options.get("sizes") else {"size": model.size})
            options = own | {name: value for name, value in options.items() if value is not None}
            model = model.name
        if model is None or isinstance(model, str):
            return cls.from_json({"model": model, **options})
        return cls.from_json({"model": MODULE, "module": model, **options})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ConvertRequest:
        """The request that `to_json` gave. Raises UsageError for unknown fields, other types and what cannot be asked for."""
        check_works(document.get("precision"))
        try:
            request: ConvertRequest = read(cls, document)
        except FieldError as error:
            raise UsageError(
                got=f"{error.got} as {error.path} of a request", allowed=error.allowed, do=error.do
            ) from None
        return request

    def to_json(self) -> dict[str, Any]:
        """The manifest's "request": every field, but the module itself."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "module"}


def saved_request(path: Path) -> dict[str, Any]:
    """The request in a manifest, or in a file of its own. Raises UsageError where there is none."""
    problem = "no request"
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        document, problem = None, str(error)
    if isinstance(document, dict):
        found = document.get("request", None if "schema" in document else document)
        if isinstance(found, dict):
            return found
    raise UsageError(
        got=f"--request {path} ({problem})",
        allowed="a manifest.json that names its request, or a file with that alone",
        do="convert with options, which writes one",
    )
