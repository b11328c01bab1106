"""A Core ML package of a reference, written as a conversion would, without judging it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from torch import nn

from converters.contract import Artefact, Metadata, Precision
from converters.registry import find_target
from evit_mobile.images.data import Images
from evit_mobile.prepare import forms, preparation
from evit_mobile.prepare.lowerable import Lowerable, Preparation
from evit_mobile.prepare.preparation import prepare
from evit_mobile.progress import silent
from evit_mobile.reference import Reference

exported = lru_cache(maxsize=2)(forms.export)


class Rewritten:
    """The forms of the latest reference, by what decides them: precisions that follow each other have the same ones, exported once."""

    def __init__(self) -> None:
        self._of: list[object] = []
        self._forms: forms.Forms = {}

    def __call__(self, asked: Preparation, plain: nn.Module | None = None) -> forms.Forms:
        decisive = [asked.reference, asked.calibration, asked.floats, asked.precision is Precision.INT8_FULL, plain]
        if decisive != self._of:
            self._of, self._forms = decisive, forms.rewritten(asked, plain)
        return self._forms


rewritten = Rewritten()


def written(
    reference: Reference, calibration: Images, held_out: Images, precision: Precision, path: Path
) -> tuple[Artefact, Lowerable]:
    """The package at `path`, and what was lowered."""
    target = find_target("coreml")
    asked = Preparation(
        reference=reference,
        calibration=calibration,
        held_out=held_out,
        precision=precision,
        targets=[target],
        cache=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparation, "rewritten", rewritten)
        patch.setattr(preparation, "export", exported)
        lowerable = prepare(asked, silent)[target.precisions[precision]]
    return target.lower(lowerable.program, precision, path, Metadata(description=reference.spec.name)), lowerable
