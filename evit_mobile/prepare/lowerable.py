"""What is prepared, and what comes of it for targets to lower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    before it was quantized; `overflowing` says that the model's plain form computes what fp16 cannot hold.
    """

    program: ExportedProgram
    plain: ExportedProgram
    plan: QuantPlan | None
    protection: Protection | None
    stages: tuple[tuple[str, Logits], ...]
    audit: ActivationAudit | None = None
    overflowing: bool = False

    @property
    def islands(self) -> frozenset[str]:
        """Names of the program's nodes whose results fp16 cannot hold."""
        return frozenset() if self.audit is None else frozenset(peak.operation for peak in self.audit.islands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is prepared, with which images, and for which targets. `max_drop`, `float_io` and `observer` are as in a `ConvertRequest`; with
    `cache`, finished calibrations are kept and reused. `overflowing`, as in `Lowerable`, is found out where a target's form depends on it.
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
    overflowing: bool = False

    @property
    def floats(self) -> tuple[FloatType, ...]:
        """What the results of the targets' float operations have to fit."""
        return tuple(dict.fromkeys(self.floats_of(target) for target in self.targets))

    def floats_of(self, target: Target) -> FloatType:
        """Likewise of one target."""
        return floats_to_fit(target, self.precision, overflowing=self.overflowing)


def lowered_by(target: Target, precision: Precision, prepared: Mapping[FloatType, Lowerable]) -> Lowerable:
    """Which of all that was prepared the target lowers."""
    overflowing = any(one.overflowing for one in prepared.values())
    return prepared[floats_to_fit(target, precision, overflowing=overflowing)]
