"""How a model's images are preprocessed: as given, else as stated with its weights, else as timm publishes it for the variant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from calib.errors import DataError
from calib.preprocess import Preprocess
from calib.stated.given import TORCHVISION, complete, read_given_file
from calib.stated.hugging_face import read_processor
from calib.stated.statement import Decision, Statement, shown
from calib.stated.timm import read_arguments
from calib.stated.values import BGR, RGB, channel_numbers, color_order, filter_name, fraction, resize_mode, unmet
from evit_mobile.images.published import PUBLISHED
from evit_mobile.models.surroundings import Surrounded
from evit_mobile.models.weights.stated import NESTED_KEYS, PROCESSOR_FILE, Place

if TYPE_CHECKING:
    from evit_mobile.request import ConvertRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessOptions:
    """What a user gives, each beating what is stated with the weights; single values beat `base`.

    `base` is a JSON file of the kinds that `calib.stated.given` reads, "timm:NAME" of PUBLISHED, or "torchvision". `mean` and `std` are
    on the 0..1 scale, one number or three; `resize` is "cover" or "squash"; `color` is the order of the model's channels, "RGB" or "BGR".
    """

    base: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    resize: str | None = None
    color: str | None = None

    def statements(self) -> tuple[Statement, ...]:
        """The strongest first. Raises DataError for what cannot be met, and for a base that is unknown or unreadable."""
        given = [_single(field, getattr(self, field)) for field in OPTIONS if getattr(self, field) is not None]
        return (*given, *([] if self.base is None else [_base(self.base)]))


AS_STATED = PreprocessOptions()


def options_of(request: ConvertRequest) -> PreprocessOptions:
    """What a request says of preprocessing."""
    single = {field: getattr(request, field) for field in OPTIONS}
    return PreprocessOptions(base=request.preprocess, **single)


OPTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda numbers: channel_numbers("mean", numbers, broadcast=True),
    "std": lambda numbers: channel_numbers("std", numbers, broadcast=True),
    "crop_pct": fraction,
    "interpolation": filter_name,
    "resize": resize_mode,
    "color": color_order,
}
"""The single values by their field, and how each is read."""


def _single(field: str, given: Any) -> Statement:
    value = OPTIONS[field](given)
    if isinstance(value, DataError):
        raise value
    option = f"--{value}" if field == "resize" else f"--{field.replace('_', '-')}"
    return Statement(source=option, values={field: value})


def _base(base: str) -> Statement:
    source = f"--preprocess {base}"
    if base == "torchvision":
        return Statement(source=source, values=TORCHVISION)
    kind, _, name = base.partition(":")
    if kind != "timm" and Path(base).is_file():
        return read_given_file(Path(base), source)
    if kind != "timm":
        raise DataError(got=source, allowed="a JSON file, timm:NAME or torchvision", do="correct the path or the name")
    published = PUBLISHED.get(name) or PUBLISHED.get(f"{name}.r224_in1k")
    if published is None:
        raise DataError(got=source, allowed=", ".join(f"timm:{known}" for known in PUBLISHED), do="choose one of these")
    return complete(published, source)


def stated_preprocessing(places: Sequence[Place], *, grey: bool = False) -> tuple[Statement, ...]:
    """What the places say, in their order; of a `grey` model a mean of one number is that of every channel."""
    return tuple(
        statement for place in places for statement in _spoken(place, grey) if statement.values or statement.size
    )


def for_grey(decision: Decision) -> Decision:
    """`decision` with one mean and one std for all channels, the averages of the three, as timm's resolve_data_config has it for one
    channel: three equal planes are then normalised alike.
    """
    preprocess = decision.preprocess
    mean, std = (round(sum(values) / 3, 6) for values in (preprocess.mean, preprocess.std))
    return replace(decision, preprocess=replace(preprocess, mean=(mean,) * 3, std=(std,) * 3))


def in_channels(statement: Statement, channels: int) -> Statement:
    """`statement` with a mean and a std for each of so many channels: equal numbers are those of all, of others a fourth is not known."""
    values = dict(statement.values)
    for field in ("mean", "std"):
        numbers = values.get(field)
        if isinstance(numbers, tuple) and len(numbers) != channels:
            got = f"{field} {shown(numbers)} for a model of {channels} channels"
            equal = (numbers[0],) * channels if len(set(numbers)) == 1 else None
            values[field] = equal or unmet(got, f"{channels} numbers, or one for all", field)
    if channels == 4 and values.get("color") in (RGB, BGR):
        values["color"] = (
            "RGBA"
            if values["color"] == RGB
            else unmet("BGR for a model of 4 channels", "RGB and one more", "color RGB")
        )
    return replace(statement, values=values)


def recorded_preprocessing(fields: Mapping[str, Any] | None, source: str) -> tuple[Statement, ...]:
    """What a record in the manifest's form says; nothing for the records of older versions, which have none."""
    return () if fields is None else (complete(Preprocess.from_manifest(fields), source),)


RANGES = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))
"""Lowest and highest values that tensors of images usually have."""
NORMALISED = (0.8, 4.0)
"""How far from 0 the ends of a normalised range lie: 1 with mean = std = 0.5, 1.8 to 2.7 with ImageNet's."""
UNCHANGED = 0.01
"""What leaves values as they are: a choice of colours, or their grey, whose shares people round."""
LOPSIDED = 1.5
"""How far the middle of these ends may lie from 0, times two."""


def scaled_inside(module: nn.Module, image: tuple[int, int, int]) -> tuple[Statement, ...]:
    """What a module that normalises its images, of (channels, height, width) `image`, by itself takes: values of the one usual range that
    it brings around 0.

    Nothing where no range or several fit, and for any other module, such as one that leaves values as they are.
    """
    if not isinstance(module, Surrounded):
        return ()

    def after(value: float) -> Tensor:
        with torch.no_grad():
            return torch.as_tensor(module.before(torch.full((1, *image), value)))

    if all(torch.allclose(after(value), torch.tensor(value), atol=UNCHANGED) for value in (0.0, 0.5, 1.0)):
        return ()
    fitting = [ends for ends in RANGES if _around_zero(*map(after, ends))]
    if len(fitting) != 1:
        return ()
    low, high = fitting[0]
    std = 1 / (high - low)
    values = {"mean": (0.0 - low * std,) * 3, "std": (std,) * 3}
    return (Statement(source="the module, which normalises by itself", values=values),)


def _around_zero(low: Tensor, high: Tensor) -> bool:
    nearest, farthest = NORMALISED
    sides = [bool(((end >= nearest) & (end <= farthest)).all()) for end in (-low, high)]
    return all(sides) and bool(((low + high).abs() < LOPSIDED).all())


TIMMS = {*NESTED_KEYS, "args"}
"""Keys of settings that timm applies, where a mean of one number counts for every channel."""


def _spoken(place: Place, grey: bool) -> Iterator[Statement]:
    fields = {str(name): value for name, value in place.fields.items()}
    if all(isinstance(value, Tensor) for value in fields.values()):  # a bare state dict: its `mean` is a buffer
        return
    if place.name == PROCESSOR_FILE:
        yield read_processor(fields, place.name)
    else:
        own = read_arguments(fields, place.name, broadcast=grey or place.key in TIMMS)
        yield own
        model = str(fields.get("model")).rpartition("/")[2] if place.key == "args" else ""
        published = PUBLISHED.get(model) or PUBLISHED.get(f"{model}.r224_in1k")
        if published is not None:  # what train.py's arguments leave open is the named model's
            yield complete(published, f"timm's {model}, the model in {place.name}").where_silent(own)
