"""Files for Android's GPUs: lowered and reported, and not run here."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.preprocess import Preprocess
from converters.contract import Precision
from converters.errors import ArtefactError, NoRuntimeError
from converters.executorch.delegates.vulkan import VulkanDelegateTarget
from evit_mobile.commands.proving import Standard, Written, prove
from evit_mobile.findings import Verdict
from evit_mobile.images.data import held_out_images
from evit_mobile.reference import load_reference
from evit_mobile.validation.verdict import Terms
from tests.converters.executorch.delegates.layers import IMAGES, model
from tests.lowering_helpers import METADATA, export


@pytest.mark.slow
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
def test_vulkan_is_lowered_reported_and_not_run(precision: Precision, tmp_path: Path) -> None:
    target, path = VulkanDelegateTarget(), tmp_path / "model.vulkan.pte"
    artefact = target.lower(export(model(), IMAGES[:1]), precision, path, METADATA)
    inspection = target.inspect(path)
    assert inspection.delegation is not None
    assert (inspection.delegation.delegate, inspection.delegation.partitions) == ("Vulkan", 1)
    assert inspection.delegation.delegated_ops == inspection.delegation.total_ops >= 4
    assert (
        max(inspection.dtypes, key=inspection.dtypes.__getitem__) == {"fp32": "float32", "fp16": "float16"}[precision]
    )
    with pytest.raises(NoRuntimeError, match="Android"):
        target.load(path)
    held_out = held_out_images(None, None, Preprocess(size=(8, 8)), 0, 4)
    terms = Terms(precision=precision)
    standard = Standard(reference=load_reference("efficientvit_m0"), held_out=held_out, stages=[])
    validation = prove(target, Written(path=path, format=artefact.format), standard, terms)
    assert (validation.verdict, validation.images) == (Verdict.NOT_RUN, 0)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ArtefactError):
        target.load(path)
