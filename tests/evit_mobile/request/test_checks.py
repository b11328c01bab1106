"""Refusals before any work: each option by its name, with what it goes with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from converters.contract import Precision
from converters.errors import ArtefactError, ToolchainError
from converters.registry import TARGETS, UnknownTargetError, find_target
from evit_mobile.errors import UsageError
from evit_mobile.record.files import write_manifest
from evit_mobile.record.manifest import FILE_NAME
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import (
    check_class_output,
    check_folder,
    check_images,
    check_interface,
    check_judges,
    check_logits,
    check_task,
    for_cpus,
    formats_with,
    usable_target,
    with_delegate,
)
from evit_mobile.spec import Task, Variation, find_spec
from tests.manifests import MANIFEST

M0 = find_spec("efficientvit_m0", size=(64, 64), num_classes=3)
SEGMENTER = find_spec("efficientvit_seg_b0_cityscapes", size=(64, 64))
NAMED = ConvertRequest.of(class_output=True)


def targets(*names: str) -> list[Any]:
    return [find_target(name) for name in names]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"golden": -1}, "--golden -1; allowed: 0 or more"),
        ({"variation": "relu-attention", "recovery_steps": -1}, "--recovery-steps -1"),
        ({"precision": "int8-full", "float_io": True, "image_input": True}, "--image-input with --float-io"),
        ({"precision": "fp32", "float_io": True}, "--float-io with precision fp32"),
        ({"recovery_steps": 0}, "--recovery-steps without anything to recover"),
        ({"size": (64, 0)}, "input size 64x0"),
        ({"sizes": [(64, 64), (64, 64)]}, "--sizes 64x64,64x64"),
        ({"sizes": [(64, 64), (96, 96)], "variation": "relu-attention"}, "--sizes with --relu-attention"),
        ({"socs": ["SM8650"], "formats": ["coreml"]}, "--soc SM8650 for coreml; allowed: --soc with --format tflite"),
        ({"socs": ["SM8650"], "precision": "fp16"}, "--soc SM8650 with precision fp16"),
        ({"socs": ["SM8650"], "image_input": True}, "--soc SM8650 with --image-input"),
    ],
)
def test_values_that_are_wrong_together(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError) as raised:
        ConvertRequest.of(**options)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"golden": 0},
        {"variation": "relu-attention", "recovery_steps": 0},
        {"precision": "int8-full", "float_io": True},
        {"sizes": [(64, 64), (64, 96)]},
        {"socs": ["SM8650"]},
        {"socs": ["SM8650"], "formats": ["coreml", "tflite"], "precision": "a16w8"},
    ],
)
def test_values_that_go_together(options: dict[str, Any]) -> None:
    ConvertRequest.of(**options)


def test_a_format_becomes_that_of_its_delegate() -> None:
    assert with_delegate(["executorch", "tflite"], None) == ["executorch", "tflite"]
    assert with_delegate(["executorch", "tflite"], "vulkan") == ["executorch-vulkan", "tflite"]
    assert with_delegate(["executorch"], "xnnpack") == ["executorch"]
    with pytest.raises(UsageError, match=r"--delegate vulkn for executorch; .*vgf for executorch.*mean vulkan\?"):
        with_delegate(["executorch"], "vulkn")
    with pytest.raises(UsageError, match="--delegate vulkan for tflite"):
        with_delegate(["tflite"], "vulkan")


def test_all_formats_are_those_that_have_the_precision() -> None:
    assert "tflite" in formats_with(Precision.INT8_FULL)
    assert not {"coreml", "executorch"} & set(formats_with(Precision.INT8_FULL))
    assert set(formats_with(Precision.FP32)) >= {"coreml", "tflite", "executorch"}


def test_a_target_is_there_installed_and_has_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_target("tflite", Precision.INT8_FULL).name == "tflite"
    with pytest.raises(UsageError, match="precision int8-full for format coreml; allowed: fp32, fp16"):
        usable_target("coreml", Precision.INT8_FULL)
    with pytest.raises(UnknownTargetError, match=r"'tflight'.*mean tflite\?"):
        usable_target("tflight", Precision.FP32)
    monkeypatch.setattr(type(find_target("tflite")), "missing", lambda _self: "pip install it")
    with pytest.raises(ToolchainError, match=r"format tflite without its toolchain.*pip install it"):
        usable_target("tflite", Precision.FP32)


@pytest.mark.parametrize(
    ("options", "names", "got"),
    [
        ({"image_input": True}, ["tflite", "executorch-vulkan"], "--image-input for executorch-vulkan"),
        (
            {"image_input": True, "class_output": True},
            ["executorch-coreml", "executorch-vulkan"],
            "--image-input and --class-output for executorch-coreml, executorch-vulkan",
        ),
        ({"ios": 17}, ["tflite"], "--ios for tflite"),
    ],
)
def test_an_interface_that_a_format_lacks(options: dict[str, Any], names: list[str], got: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_interface(ConvertRequest.of(**options), targets(*names))
    assert raised.value.got == got


def test_an_interface_that_formats_have() -> None:
    check_interface(ConvertRequest.of(image_input=True, class_output=True), targets("tflite", "coreml"))
    check_interface(ConvertRequest.of(ios=17), targets("tflite", "coreml"))
    check_interface(ConvertRequest(), targets(*TARGETS))


def test_files_for_cpus_are_those_that_gpus_take_too() -> None:
    lite, other = for_cpus(targets("tflite", "executorch"))
    assert getattr(lite, "cpu_only", None) is True
    assert other.name == "executorch"
    with pytest.raises(UsageError, match="--cpu-only for coreml, executorch; allowed: it with LiteRT"):
        for_cpus(targets("coreml", "executorch"))


def test_judges_are_named_for_each_format() -> None:
    check_judges([], ["executorch-vulkan"])
    check_judges(["evaluator", "xnnpack"], ["coreml", "tflite"])
    with pytest.raises(UsageError, match=r"--on xnnpak --on gpu for executorch; .*did you mean xnnpack\?"):
        check_judges(["xnnpak", "gpu"], ["executorch"])
    with pytest.raises(UsageError, match="no judge here for executorch-vulkan"):
        check_judges(["xnnpack"], ["executorch-vulkan"])


def test_an_output_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    write_manifest(MANIFEST, tmp_path / "a" / "b")
    check_folder(tmp_path / "a" / "b")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == [FILE_NAME]


def lies_where_it_goes(folder: Path) -> None:
    folder.write_text("a file")


def damaged(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE_NAME).write_text("{")


def holds_something_golden(folder: Path) -> None:
    (folder / "golden").mkdir(parents=True)
    (folder / "golden" / "ring").touch()


@pytest.mark.parametrize(
    ("make", "kind", "named"),
    [
        (lies_where_it_goes, UsageError, r"output folder .*out \(File exists\).*pass --out DIR"),
        (damaged, ArtefactError, "cannot be read"),
        (holds_something_golden, ArtefactError, "no folder of golden vectors"),
    ],
)
def test_an_output_folder_that_cannot_be(
    make: Callable[[Path], None], kind: type[Exception], named: str, tmp_path: Path
) -> None:
    make(tmp_path / "out")
    with pytest.raises(kind, match=named):
        check_folder(tmp_path / "out")


def test_options_of_a_task_are_refused_for_another() -> None:
    limited = ConvertRequest.of(max_drop=1.0)
    check_task(limited, M0)
    check_task(NAMED, SEGMENTER)
    check_task(ConvertRequest(), replace(M0, output=Task.FEATURES))
    for request, spec, got in (
        (limited, SEGMENTER, "--max-drop for efficientvit_seg_b0_cityscapes, whose task is segmentation"),
        (limited, replace(M0, output=Task.MULTILABEL), "--max-drop for efficientvit_m0, whose task is multilabel"),
        (NAMED, replace(M0, output=Task.FEATURES), "--class-output for efficientvit_m0, whose task is features"),
    ):
        with pytest.raises(UsageError) as raised:
            check_task(request, spec)
        assert raised.value.got == got


@pytest.mark.parametrize(
    ("names", "formats", "got"),
    [
        (("a", "b"), ["tflite"], "2 one-line names for the 3 classes"),
        (("a", "b", " "), ["tflite"], "2 one-line names"),
        (("a", "b", "c\nd"), ["tflite"], "2 one-line names"),
        (("a", "b", "b"), ["coreml"], "2 different names for the 3 classes"),
        (("a", "b", "c", "d"), ["tflite"], "4 one-line names for the 3 classes"),
    ],
)
def test_classes_need_a_name_each(names: tuple[str, ...], formats: list[str], got: str) -> None:
    with pytest.raises(UsageError, match=got):
        check_class_output(NAMED, targets(*formats), M0, names)
    check_class_output(ConvertRequest(), targets(*formats), M0, names)


def test_names_that_do() -> None:
    check_class_output(NAMED, targets("tflite", "coreml"), M0, ("a", "b", "c"))
    check_class_output(NAMED, targets("tflite"), M0, ("a", "b", "b"))
    with pytest.raises(UsageError, match="a model of one logit, whose classes are its signs"):
        check_class_output(NAMED, targets("tflite"), replace(M0, num_classes=1), ("a",))
    with pytest.raises(UsageError, match="whose task is segmentation, with coreml"):
        check_class_output(NAMED, targets("tflite", "coreml"), SEGMENTER, ("a",) * SEGMENTER.num_classes)


def reference(**fields: Any) -> Any:
    """What the checks ask a loaded model for."""
    return SimpleNamespace(**fields)


def test_probabilities_are_not_made_twice() -> None:
    check_logits(NAMED, reference(ends_in=None))
    check_logits(ConvertRequest(), reference(ends_in="softmax"))
    with pytest.raises(UsageError, match=r"a module that ends in sigmoid.*without its sigmoid"):
        check_logits(NAMED, reference(ends_in="sigmoid"))


@pytest.mark.parametrize("lineage", ["file", "hub", "module"])
def test_own_weights_need_own_images_where_images_decide(lineage: str) -> None:
    own = reference(lineage=lineage)
    for precision in (Precision.FP32, Precision.FP16, Precision.INT8_WEIGHTS):
        check_images(own, None, precision)
    for precision in (Precision.INT8, Precision.INT8_FULL, Precision.A16W8):
        check_images(own, "photos", precision)
        with pytest.raises(UsageError, match=f"got {precision} for your own weights without calibration images"):
            check_images(own, None, precision)
    with pytest.raises(UsageError, match="got --relu-attention for your own weights"):
        check_images(own, None, Precision.FP32, Variation.RELU_ATTENTION)


@pytest.mark.parametrize("lineage", ["bundled", "random"])
def test_our_weights_have_images(lineage: str) -> None:
    check_images(reference(lineage=lineage), None, Precision.INT8, Variation.RELU_ATTENTION)
