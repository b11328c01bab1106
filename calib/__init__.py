"""What feeds calibration and evaluation: preprocessing, datasets, splits and range observers.

Names are imported when they are first used, so that `import calib` costs nothing. Knows neither models nor converters.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.datasets import ImageDataset as ImageDataset
    from calib.errors import CalibError as CalibError
    from calib.errors import DataError as DataError
    from calib.images import content_digest as content_digest
    from calib.kept import KeptDataset as KeptDataset
    from calib.kept import batches as batches
    from calib.methods import Method as Method
    from calib.observers import EntropyObserver as EntropyObserver
    from calib.observers import HistogramObserver as HistogramObserver
    from calib.observers import MinMaxObserver as MinMaxObserver
    from calib.observers import MovingAverageObserver as MovingAverageObserver
    from calib.observers import MSEObserver as MSEObserver
    from calib.observers import Observer as Observer
    from calib.observers import PercentileObserver as PercentileObserver
    from calib.observers import make_observer as make_observer
    from calib.opening import open_dataset as open_dataset
    from calib.preprocess import Interpolation as Interpolation
    from calib.preprocess import Preprocess as Preprocess
    from calib.preprocess import Resize as Resize
    from calib.ranges import affine_parameters as affine_parameters
    from calib.sources.bundled import Bundled as Bundled
    from calib.sources.bundled import bundled_class_names as bundled_class_names
    from calib.sources.bundled import bundled_preprocess as bundled_preprocess
    from calib.sources.bundled import open_bundled as open_bundled
    from calib.splits import Selection as Selection
    from calib.splits import select as select
    from calib.splits import select_calibration as select_calibration
    from calib.splits import select_held_out as select_held_out

_EXPORTS: dict[str, tuple[str, ...]] = {
    "calib.datasets": ("ImageDataset",),
    "calib.errors": ("CalibError", "DataError"),
    "calib.images": ("content_digest",),
    "calib.kept": ("KeptDataset", "batches"),
    "calib.methods": ("Method",),
    "calib.observers": (
        "EntropyObserver",
        "HistogramObserver",
        "MSEObserver",
        "MinMaxObserver",
        "MovingAverageObserver",
        "Observer",
        "PercentileObserver",
        "make_observer",
    ),
    "calib.opening": ("open_dataset",),
    "calib.preprocess": ("Interpolation", "Preprocess", "Resize"),
    "calib.ranges": ("affine_parameters",),
    "calib.sources.bundled": ("Bundled", "bundled_class_names", "bundled_preprocess", "open_bundled"),
    "calib.splits": ("Selection", "select", "select_calibration", "select_held_out"),
}
_HOMES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
