"""Forms: one where fp16 changes nothing, two where it does; and their exported programs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from converters.contract import FloatType, Precision
from evit_mobile.metrics import sqnr_db
from evit_mobile.prepare import forms
from evit_mobile.prepare.forms import deployment_forms, export, half_program, images_of, rewritten
from evit_mobile.prepare.preparation import run_module
from tests.evit_mobile.prepare.tiny import SIDE, Kept, asked, network, photos

FP32, FP16 = FloatType.FP32, FloatType.FP16
PROBE = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def attention() -> nn.Module:
    return network(attention=True)


def test_what_fp16_changes_nothing_of_has_one_form() -> None:
    found = deployment_forms(network(), PROBE, (FP16, FP32))
    assert found.keys() == {FP16, FP32}
    assert found[FP16] is found[FP32]


def test_linear_attention_has_two_forms_of_one_function(attention: nn.Module) -> None:
    found = deployment_forms(attention, PROBE, (FP32, FP16))
    assert found[FP16] is not found[FP32]
    expected = run_module(attention, [PROBE.numpy()])
    assert all(sqnr_db(run_module(form, [PROBE.numpy()]), expected) > 90 for form in found.values())


@pytest.mark.parametrize("floats", [(FP32,), (FP16,)])
def test_only_the_form_that_is_asked_for_is_made(floats: tuple[FloatType, ...], attention: nn.Module) -> None:
    assert tuple(deployment_forms(attention, PROBE, floats)) == floats


def test_integers_have_a_form_of_their_own_for_all_floats(attention: nn.Module) -> None:
    targets = Kept(FP32), Kept(FP16)
    found = rewritten(asked(attention, Precision.INT8_FULL, *targets))
    assert found.keys() == {FP32, FP16}
    assert found[FP32] is found[FP16]
    usual = rewritten(asked(attention, Precision.INT8, *targets))
    assert usual[FP32] is not usual[FP16]


def test_a_program_is_for_one_image_of_that_size_and_those_channels() -> None:
    program = export(nn.Conv2d(4, 2, 1).eval(), (6, 8), channels=4)
    (example,), _ = program.example_inputs
    assert example.shape == (1, 4, 6, 8)
    x = torch.randn(1, 4, 6, 8)
    weight, bias = (program.state_dict[name] for name in ("weight", "bias"))
    torch.testing.assert_close(program.module()(x), torch.nn.functional.conv2d(x, weight, bias))


def test_another_sizes_weights_are_taken_where_they_are_given() -> None:
    own, other = (export(nn.Conv2d(3, 2, 1).eval(), (side, side)) for side in (4, 8))
    found = half_program(own, [], other, lambda _: pytest.fail("something was measured"))
    x = torch.randn(1, 3, 4, 4)
    expected = torch.nn.functional.conv2d(x, other.state_dict["weight"], other.state_dict["bias"])
    torch.testing.assert_close(found.module()(x), expected)
    assert not torch.allclose(own.module()(x), expected)


def test_images_are_measured_one_by_one_and_fewer_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    calibration = photos(5)
    found = images_of(calibration)
    assert torch.equal(torch.cat(found), torch.from_numpy(calibration.first(5)))
    assert [image.shape for image in found] == [(1, 3, SIDE, SIDE)] * 5
    monkeypatch.setattr(forms, "MEASURED_IMAGES", 4)
    assert len(images_of(calibration)) == 4
    monkeypatch.setattr(forms, "MEASURED_PIXELS", 3 * SIDE**2 + 1)
    assert len(images_of(calibration)) == 3
    monkeypatch.setattr(forms, "MEASURED_PIXELS", 1)
    assert len(images_of(calibration)) == 1
