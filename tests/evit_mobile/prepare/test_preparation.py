"""From a network to what targets lower: every stage is kept, and a form that is too far from the reference is not taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from converters.contract import FloatType, Precision
from converters.tflite.target import TFLiteTarget
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare import preparation
from evit_mobile.prepare.lowerable import Lowerable, lowered_by
from evit_mobile.prepare.preparation import EXACT_DB, exact, prepare, rewritten_db, run_module
from tests.evit_mobile.prepare.tiny import CLASSES, SIDE, Kept, asked, network, photos

FP32, FP16 = FloatType.FP32, FloatType.FP16
NETWORK = network()


def run(lowerable: Lowerable, images: np.ndarray) -> np.ndarray:
    module = lowerable.program.module(check_guards=False)
    with torch.no_grad():
        return np.concatenate([module(torch.from_numpy(image[None])).numpy() for image in images])


@pytest.fixture(scope="module")
def floats() -> tuple[dict[FloatType, Lowerable], list[str]]:
    """A float network for targets of both kinds of floats, and what was reported."""
    lines: list[str] = []
    return prepare(asked(NETWORK, Precision.FP32, Kept(FP32), Kept(FP16)), lines.append), lines


def test_one_form_is_exported_once_and_only_that_for_fp16_is_audited(
    floats: tuple[dict[FloatType, Lowerable], list[str]],
) -> None:
    prepared, lines = floats
    assert prepared[FP32].program is prepared[FP16].program
    assert prepared[FP32].audit is None
    assert prepared[FP16].audit is not None
    assert lines[:3] == ["rewriting", "exporting", "running the reference"]
    assert "fp16 holds them" in lines[-1]


def test_stages_are_the_references_and_the_forms_logits(floats: tuple[dict[FloatType, Lowerable], list[str]]) -> None:
    prepared, _ = floats
    images = photos(8, seed=1).first(8)
    names, logits = zip(*prepared[FP32].stages, strict=True)
    assert names == ("reference", "rewritten")
    np.testing.assert_allclose(logits[0], NETWORK(torch.from_numpy(images)).numpy(), atol=1e-6)
    np.testing.assert_allclose(logits[1], run(prepared[FP32], images), atol=1e-6)
    assert (prepared[FP32].plan, prepared[FP32].protection) == (None, None)
    assert rewritten_db(prepared[FP32]) > EXACT_DB


@pytest.mark.parametrize(
    ("overflows", "cpu_only", "floats"), [(False, False, FP32), (True, False, FP16), (True, True, FP32)]
)
def test_int8_for_gpus_takes_the_form_for_fp16_where_the_plain_one_overflows(
    overflows: bool, cpu_only: bool, floats: FloatType, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(preparation, "overflowing", lambda _form, images: heard.append(len(images)) or overflows)
    target = TFLiteTarget(cpu_only=cpu_only)
    prepared = prepare(asked(network(attention=True), Precision.INT8, target), lambda _: None)
    assert [*prepared] == [floats]
    assert lowered_by(target, Precision.INT8, prepared) is prepared[floats]
    assert (prepared[floats].audit is not None) == (floats is FP16)
    assert heard == ([] if cpu_only else [12])  # every calibration image: the largest one may be any


@pytest.mark.parametrize("float_io", [True, False])
def test_integers_come_in_and_go_out_unless_floats_are_asked_for(float_io: bool) -> None:
    (found,) = prepare(asked(NETWORK, Precision.INT8_FULL, float_io=float_io), lambda _: None).values()
    (example,), _ = found.program.example_inputs
    assert example.dtype is (torch.float32 if float_io else torch.int8)
    assert found.plain.example_inputs[0][0].dtype is torch.float32
    names, logits = zip(*found.stages, strict=True)
    assert names == ("reference", "rewritten", "quantized")
    assert 15 < sqnr_db(logits[2], logits[0]) < 70
    if float_io:
        np.testing.assert_allclose(run(found, photos(8, seed=1).first(8)), logits[2], atol=0.1 * abs(logits[2]).max())


def halved(db: float) -> Lowerable:
    """What is lowered for fp16, whose form is so far from the reference."""
    nothing: Any = None
    reference = np.random.default_rng(0).normal(size=(8, CLASSES)).astype(np.float32)
    form = reference * np.float32(1 + 10 ** (-db / 20))
    return Lowerable(
        program=nothing,
        plain=nothing,
        plan=None,
        protection=None,
        stages=(("reference", reference), ("rewritten", form)),
    )


def test_a_form_that_is_exact_enough_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "prepare", lambda *_: pytest.fail("prepared again"))
    near = halved(EXACT_DB + 1)
    assert exact(asked(NETWORK, Precision.FP32), near, print) is near
    far = halved(EXACT_DB - 30)
    for precision in (Precision.FP16, Precision.INT8):
        assert exact(asked(NETWORK, precision), far, print) is far


def test_a_file_of_fp32_gets_the_plain_form_where_the_other_is_too_far() -> None:
    lines: list[str] = []
    found = exact(asked(NETWORK, Precision.FP32, TFLiteTarget()), halved(EXACT_DB - 30), lines.append)
    assert rewritten_db(found) > EXACT_DB
    assert lines[0].startswith("the form whose results fit fp16 is 70 dB from the reference")
    assert lines[1] == "rewriting"


def test_weights_are_rounded_for_a_file_of_fp16() -> None:
    lines: list[str] = []
    first = prepare(asked(NETWORK, Precision.FP16, Kept(FP16)), lines.append)[FP16]
    assert "rounding weights" in lines
    again = prepare(asked(NETWORK, Precision.FP16, Kept(FP16)), lines.append, rounded_like=first.program)[FP16]
    assert all(torch.equal(value, first.program.state_dict[name]) for name, value in again.program.state_dict.items())


def test_a_module_is_run_batch_by_batch_without_gradients() -> None:
    batches = [np.ones((2, 3, SIDE, SIDE), np.float32), np.zeros((1, 3, SIDE, SIDE), np.float32)]
    found = run_module(network().requires_grad_(True), batches)
    assert found.shape == (3, CLASSES)
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
