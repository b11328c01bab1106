"""The contract, the two runtimes, and quiet: nothing of coremltools reaches a user's terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from converters.contract import FloatType, Precision, Target
from converters.coreml import runtime
from converters.coreml.options import OptionError, Options
from converters.coreml.target import CoreMLTarget
from converters.interface import Choices, Interface, Normalization
from converters.registry import find_target
from tests.converters.coreml.coreml_programs import METADATA, FeedForward, export

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))

CONVERSION = """
import pathlib, sys, torch
from converters.contract import Metadata, Precision
from converters.interface import Choices, Interface, Normalization
from converters.coreml.options import OptionError, Options
from converters.contract import FloatType
from converters.registry import find_target
target = find_target("coreml")
program = torch.export.export(torch.nn.Conv2d(3, 4, 3).eval(), (torch.zeros(1, 3, 8, 8),))
path = pathlib.Path(sys.argv[1])
target.lower(program, Precision.FP16, path, Metadata(description="d"))
target.load(path)(torch.zeros(2, 3, 8, 8).numpy())
target.inspect(path)
"""

LOOK_UP = """
import sys
from converters.interface import Choices, Interface, Normalization
from converters.coreml.options import OptionError, Options
from converters.contract import FloatType
from converters.registry import find_target
find_target("coreml").missing()
print({"torch", "coremltools"} & {*sys.modules})
"""


def test_target_keeps_the_contract(tmp_path: Path) -> None:
    target: Target = find_target("coreml")
    assert target.missing() is None
    path = tmp_path / f"m{target.suffix}"
    artefact = target.lower(export(FeedForward(6), X), Precision.FP16, path, METADATA)
    assert artefact.format == target.name
    assert target.load(path)(X.numpy()).shape == artefact.outputs[0].shape
    assert target.inspect(path).operations["conv"] == 3


def test_nothing_heavy_is_imported_before_use() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK_UP], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_conversion_and_evaluation_are_silent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CONVERSION, str(tmp_path / "p.mlpackage")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_verdicts_on_linux_name_the_evaluator() -> None:
    assert CoreMLTarget.runtime == runtime.EVALUATOR


def test_what_is_chosen_reaches_the_package_and_no_other_target() -> None:
    interface = Interface(pixels=Normalization(mean=(0.5,) * 3, std=(0.25,) * 3), classes=True)
    usual = CoreMLTarget()
    chosen = usual.chosen(Choices(interface=interface, release=17, islands=frozenset({"mul"})))
    assert chosen.interface == Options(pixels=interface.pixels, classes=True, release=17)
    assert (chosen.islands, chosen.further) == (frozenset({"mul"}), ())
    assert (usual.interface, usual.islands) == (Options(), frozenset())


def test_choices_are_refused_before_any_work() -> None:
    target = CoreMLTarget()
    target.check_release(None, Precision.INT8)
    target.check_functions(Choices())
    with pytest.raises(OptionError, match="iOS 16"):
        target.check_release(16, Precision.INT8)
    with pytest.raises(OptionError, match="class labels"):
        target.check_functions(Choices(interface=Interface(classes=True)))


def test_only_float32_packages_compute_in_float32() -> None:
    floats = {precision for precision, floats in CoreMLTarget.precisions.items() if floats is FloatType.FP32}
    assert floats == {Precision.FP32}
