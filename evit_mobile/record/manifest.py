"""manifest.json as a value, schema 2. Other programs read it: its fields are a promise (docs/manifest.md, docs/manifest.schema.json).

A field is a line in its class here and one in docs/manifest.md; `python scripts/manifest_schema.py` writes the JSON Schema. One that
has no default, is removed or means something else needs a new SCHEMA, an upgrade in `upgrade.py` and every reader. A judge's
validation joins by being one of an artefact's `validations`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from calib.resizing import Interpolation, Resize
from converters.contract import Delegation, Layout, Precision, TensorSpec
from converters.errors import ArtefactError
from evit_mobile.findings import (
    ActivationAudit,
    Likeness,
    Protection,
    SizeValidation,
    Speed,
    Validation,
    Verdict,
    WeightsKind,
    verdict_of_all,
)
from evit_mobile.record.upgrade import SCHEMA, upgraded
from evit_mobile.spec import Task, Variation
from evit_mobile.strict_json import FieldError, plain, read

if TYPE_CHECKING:
    from calib.preprocess import Preprocess

FILE_NAME = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """The model that was passed, and where its weights are found again."""

    name: str
    family: str
    task: Task = Task.CLASSIFICATION
    variation: Variation | None = None
    params: int
    macs: int
    num_classes: int
    weights: WeightsKind
    weights_sha256: str | None
    source: str
    origin: str
    keys: int
    color: str = "RGB"
    architecture: dict[str, Any] | None = None
    around: dict[str, tuple[str, ...]] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeEntry:
    """What an image is resized to: exactly this (height, width) or, with "cover", to the smallest size that covers it."""

    mode: Resize
    size: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CropEntry:
    """What is cut out of the resized image: (height, width), a fraction `pct` of it."""

    mode: str
    size: tuple[int, int]
    pct: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEntry:
    """The image tensor (1, channels, height, width) as PyTorch takes it, and how images become it; `mean` and `std` are on the 0..1 scale,
    a number for each channel.

    Each artefact's own entry says its layout.
    """

    name: str = "image"
    shape: tuple[int, int, int, int]
    layout: Layout = Layout.NCHW
    dtype: str = "float32"
    resize: ResizeEntry
    crop: CropEntry
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    color: str
    stated_by: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.shape[2:]

    @property
    def preprocess(self) -> Preprocess:
        """How images become it. Raises DataError for sizes that contradict each other."""
        from calib.preprocess import Preprocess

        return Preprocess.from_manifest(plain(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalEntry:
    """The model that a variation was recovered from; `top1` in percent, null without labels."""

    weights: WeightsKind
    source: str
    sha256: str | None
    top1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryEntry:
    """How a variation came about, and how far it is the original on `held_out` images; `images` is how many it learned from."""

    original: OriginalEntry
    before: Likeness
    after: Likeness
    held_out: int
    images: int
    images_source: str
    seed: int
    steps: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtefactEntry:
    """A written file: what it takes and gives, and what each of its judges found. `path` and `plan` are relative to the manifest.

    `sizes` are those of a package with several, as its first judge found them; `convert_s` is the time to write it, in seconds.
    """

    format: str
    precision: Precision
    path: str
    bytes: int
    sha256: str
    toolchain: dict[str, str]
    oldest_runtime: str | None = None
    soc: str | None = None
    reproducible: bool = True
    unproven: str | None = None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    delegation: Delegation | None = None
    npu: tuple[Delegation, ...] = ()
    plan: str | None = None
    protection: Protection | None = None
    validations: tuple[Validation, ...]
    sizes: tuple[SizeValidation, ...] = ()
    speed: Speed | None = None
    convert_s: float

    def __post_init__(self) -> None:
        if not self.validations:
            raise FieldError(
                "validations", "an empty list", "at least one: where nothing ran the file, one that says so"
            )

    @property
    def validation(self) -> Validation:
        """What the first judge found, with the verdict of all."""
        return verdict_of_all(self.validations)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationEntry:
    """The images that calibrated, `images` of them, and how they were selected; `notes` are what a user should know of all images."""

    digest: str
    images: int
    source: str
    seed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenEntry:
    """Where golden.json lies, relative to the manifest."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEntry:
    """The evit-mobile that wrote the manifest."""

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What all files of a folder are of: a model for an input. `recovery` is a variation's."""

    model: ModelEntry
    input: InputEntry
    recovery: RecoveryEntry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What `convert` says of the artefacts in a folder. `request` is what it was asked for the latest time."""

    schema: Literal[2] = SCHEMA
    request: dict[str, Any] | None = None
    model: ModelEntry
    input: InputEntry
    recovery: RecoveryEntry | None = None
    labels: tuple[str, ...]
    negative_label: str | None = None
    labels_stated_by: str | None = None
    artefacts: tuple[ArtefactEntry, ...]
    calibration: CalibrationEntry
    activation_audit: ActivationAudit | None = None
    golden: GoldenEntry | None = None
    tool: ToolEntry

    @classmethod
    def from_json(cls, document: object) -> Manifest:
        """The manifest in a JSON document of this schema or an older one. Raises ArtefactError that names what is wrong by its path."""
        try:
            manifest: Manifest = read(cls, upgraded(document))
        except FieldError as error:
            raise ArtefactError(
                got=f"a manifest with {error.got} as {error.path}",
                allowed=error.allowed,
                do="convert again into another folder, or upgrade evit-mobile if a newer one wrote it",
            ) from None
        return manifest

    def to_json(self) -> dict[str, Any]:
        """The JSON document, with every field."""
        document: dict[str, Any] = plain(self)
        return document

    @property
    def proven(self) -> bool:
        """Whether every judge of every artefact has passed it."""
        return all(entry.validation.verdict is Verdict.PASSED for entry in self.artefacts)
