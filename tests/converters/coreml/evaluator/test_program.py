"""The evaluator does float16 as hardware does, runs programs that others wrote, and names what it cannot run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from converters.contract import Precision
from converters.coreml import toolchain
from converters.coreml.evaluator import Evaluator
from converters.errors import ArtefactError, ToolchainError
from tests.converters.coreml.coreml_programs import Lambda, evaluate, export

X = torch.linspace(-2, 2, 24).reshape(1, 6, 2, 2)


def stock(build: Callable[[Any, Any], Any], path: Path, *, shape: tuple[int, ...] = (1, 6, 2, 2)) -> Path:
    """A package that coremltools' defaults make of a MIL function of one image, in float16."""
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    image = mil.Builder.placeholder(shape=shape, dtype=mil.types.fp32, name="image")
    program = mil.Program()
    with mil.Function({"image": image}, opset_version=ct.target.iOS17) as function:
        function.set_outputs([build(mil.Builder, function.inputs["image"])])
        program.add_function("main", function)
    with toolchain.no_progress_bars():
        model = ct.convert(program, minimum_deployment_target=ct.target.iOS17, skip_model_load=True)
    model.save(str(path))
    return path


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.FP32])
def test_float16_overflows_where_float32_does_not(precision: Precision, tmp_path: Path) -> None:
    module = Lambda(lambda x: (x * 300.0) * 300.0 / 1000.0)
    actual = evaluate(export(module, X), X, tmp_path / "p.mlpackage", precision)
    expected = module(X).numpy()
    overflows = (X.abs() * 300 * 300 > 65504).numpy() & (precision is Precision.FP16)
    assert overflows.any() == (precision is Precision.FP16)
    assert np.isinf(actual[overflows]).all()
    np.testing.assert_allclose(actual[~overflows], expected[~overflows], rtol=2e-3)


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.FP32])
def test_every_result_is_rounded_to_the_programs_precision(precision: Precision, tmp_path: Path) -> None:
    """2048 + 1 does not exist in float16."""
    program = export(Lambda(lambda x: torch.relu(x * 0.0 + 2048.0) + 1.0 - 2048.0), X)
    actual = evaluate(program, X, tmp_path / "p.mlpackage", precision)
    assert np.unique(actual).tolist() == [0.0 if precision is Precision.FP16 else 1.0]


def test_images_stay_as_they_are(tmp_path: Path) -> None:
    """Rounding happens in place, but never in what the caller holds."""
    image = np.full((1, 6, 2, 2), 0.1, np.float32)
    Evaluator(stock(lambda mb, image: mb.relu(x=image), tmp_path / "p.mlpackage"))(image)
    assert (image == np.float32(0.1)).all()


def test_sums_run_in_float32(tmp_path: Path) -> None:
    """4096 ones: adding them one by one in float16 would stop at 2048."""
    x = torch.ones(1, 4096, 2, 2)
    actual = evaluate(export(Lambda(lambda x: x.sum(1)), x), x, tmp_path / "p.mlpackage", Precision.FP16)
    assert np.unique(actual).tolist() == [4096.0]


def test_constants_in_a_list(tmp_path: Path) -> None:
    module = Lambda(lambda x, token: torch.cat([token, x, token], 1), torch.arange(4.0).reshape(1, 1, 2, 2))
    actual = evaluate(export(module, X), X, tmp_path / "p.mlpackage", Precision.FP32)
    np.testing.assert_array_equal(actual, module(X).numpy())


def test_program_of_coremltools_defaults(tmp_path: Path) -> None:
    """Its own names, its fp16 pass, an fp16 interface: nothing depends on our lowering."""

    def build(mb: Any, image: Any) -> Any:
        parts = mb.split(x=image, num_splits=2, axis=1)
        padded = mb.pad(x=parts[1], pad=[0, 1], mode="constant", constant_val=1.0)
        return mb.concat(
            values=[mb.silu(x=parts[0]), mb.slice_by_size(x=padded, begin=[0] * 4, size=[1, 3, 2, 2])], axis=1
        )

    run = Evaluator(stock(build, tmp_path / "p.mlpackage"))
    expected = np.concatenate([torch.nn.functional.silu(X[:, :3]).numpy(), X[:, 3:].numpy()], 1)
    np.testing.assert_allclose(run(X.numpy()), expected, atol=2e-3)


def test_unknown_operation_is_named(tmp_path: Path) -> None:
    path = stock(lambda mb, image: mb.softplus(x=image, name="stages__0__act__softplus_1"), tmp_path / "p.mlpackage")
    with pytest.raises(ToolchainError, match=r"operation softplus \(no kernel\) in module stages\.0\.act"):
        Evaluator(path)


def test_attribute_without_a_kernel_is_named(tmp_path: Path) -> None:
    weight = np.ones((2, 6, 2, 2), np.float32)
    path = stock(lambda mb, image: mb.conv(x=image, weight=weight, pad_type="same", name="c"), tmp_path / "p.mlpackage")
    with pytest.raises(ToolchainError, match=r"operation conv .*pad_type 'same'"):
        Evaluator(path)(X.numpy())


def test_program_that_is_not_a_classifier_is_refused(tmp_path: Path) -> None:
    path = stock(lambda mb, image: mb.relu(x=image), tmp_path / "p.mlpackage", shape=(2, 6, 2, 2))
    with pytest.raises(ArtefactError, match=r"\(2, 6, 2, 2\)"):
        Evaluator(path)


def test_values_are_dropped_after_their_last_use(tmp_path: Path) -> None:
    evaluate(export(Lambda(lambda x: ((x + 1) * x).relu() + x), X), X, tmp_path / "p.mlpackage", Precision.FP16)
    steps = Evaluator(tmp_path / "p.mlpackage").steps
    released = [name for step in steps for name in step.releases]
    produced = {"image", *(name for step in steps for name in step.results)}
    assert sorted(released) == sorted(produced - {"logits"})
