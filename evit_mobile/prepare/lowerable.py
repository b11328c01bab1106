"""What is prepared, and what comes of it for targets to lower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch.export import ExportedProgram

from calib.methods import Method
from converters.contract import FloatType, Precision, QuantPlan, Target
from converters.traits import floats_to_fit
from evit_mobile.findings import ActivationAudit, Protection
from evit_mobile.images.data import Images
from evit_mobile.metrics import Logits
from evit_mobile.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowerable:
    """The program that the targets lower, and the logits of every stage before them on the held-out images. `plain` is the program
    before it was quantized.
    """

    program: ExportedProgram
    plain: ExportedProgram
    plan: QuantPlan | None
    protection: Protection | None
    stages: tuple[tuple[str, Logits], ...]
    audit: ActivationAudit | None = None

    @property
    def islands(self) -> frozenset[str]:
        """Names of the program's nodes whose results fp16 cannot hold."""
        return frozenset() if self.audit is None else frozenset(peak.operation for peak in self.audit.islands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is prepared, with which images, and for which targets. `max_drop`, `float_io` and `observer` are as in a `ConvertRequest`; with
    `cache`, finished calibrations are kept and reused.
    """

    reference: Reference
    calibration: Images
    held_out: Images
    precision: Precision
    targets: Sequence[Target]
    max_drop: float | None = None
    float_io: bool = False
    cache: bool = True
    observer: Method = Method.MSE

    @property
    def floats(self) -> tuple[FloatType, ...]:
        """What the results of the targets' float operations have to fit."""
        return tuple(dict.fromkeys(floats_to_fit(target, self.precision) for target in self.targets))
