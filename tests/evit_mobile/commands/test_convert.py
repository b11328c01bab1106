"""The steps of a conversion that need no converter: names, images, what is kept when something fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from converters.contract import Artefact, FloatType, Precision
from converters.registry import find_target
from evit_mobile.commands import convert as pipeline
from evit_mobile.commands.convert import (
    Conversion,
    Job,
    Prepared,
    artefact_name,
    choose_images,
    describe,
    portable_for,
    produce_all,
    requested_reference,
    write,
    write_golden,
    written_names,
)
from evit_mobile.errors import UsageError
from evit_mobile.findings import ArtefactRecord, Verdict
from evit_mobile.progress import silent
from evit_mobile.reference import Reference, with_task
from evit_mobile.request import ConvertRequest
from evit_mobile.spec import Task, Variation
from evit_mobile.thresholds import MIN_IMAGES
from evit_mobile.version import __version__
from tests.manifests import ARTEFACT, MANIFEST, PASSED, artefact, of_model


@pytest.mark.parametrize(
    ("format", "precision", "variation", "name"),
    [
        ("tflite", Precision.INT8, None, "efficientvit_m0.int8.tflite"),
        ("coreml", Precision.INT8_PALETTE4, None, "efficientvit_m0.int8-palette4.mlpackage"),
        ("executorch-coreml", Precision.FP16, None, "efficientvit_m0.fp16.coreml.pte"),
        ("tflite", Precision.FP32, Variation.RELU_ATTENTION, "efficientvit_m0.relu-attention.fp32.tflite"),
    ],
)
def test_a_file_is_named_by_model_precision_and_format(
    format: str, precision: Precision, variation: Variation | None, name: str, m0: Reference
) -> None:
    reference = replace(m0, spec=replace(m0.spec, variation=variation))
    assert artefact_name(reference, precision, find_target(format)) == name


def test_names_are_known_before_anything_is_written(m0: Reference) -> None:
    targets = [find_target("tflite"), find_target("executorch")]
    names = written_names(m0, ConvertRequest.of(precision="fp16"), targets)
    assert names == ["efficientvit_m0.fp16.tflite", "efficientvit_m0.fp16.pte"]


def test_a_file_says_what_it_is(m0: Reference) -> None:
    metadata = describe(m0, Precision.INT8)
    assert metadata.description == f"efficientvit_m0, int8, weights: bundled ({m0.source})"
    assert (metadata.labels, metadata.version) == (m0.labels, __version__)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/home/somebody/runs/7/best.pth", "best.pth"),
        ("runs/7/best.pth", "best.pth"),
        ("best.pth", "best.pth"),
        ("hf://owner/name@abc/best.pth", "hf://owner/name@abc/best.pth"),
        ("random:seed=3", "random:seed=3"),
        ("module", "module"),
    ],
)
def test_a_file_does_not_say_where_its_weights_lay(source: str, told: str, m0: Reference) -> None:
    assert describe(replace(m0, source=source), Precision.FP16).description.endswith(f"weights: bundled ({told})")


def test_no_image_calibrates_and_judges(m0: Reference) -> None:
    calibration, held_out = choose_images(m0, None, 0)
    assert len(calibration) == 256
    assert len(held_out) == MIN_IMAGES[Task.CLASSIFICATION]
    assert not set(calibration.selection.contents) & set(held_out.selection.contents)
    few = choose_images(m0, None, 0, 40)[1]
    assert len(few) == 40
    assert choose_images(m0, None, 0)[0].digest == calibration.digest != choose_images(m0, None, 1)[0].digest


def test_the_reference_is_of_the_first_size_and_has_the_names_that_are_given(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join("abcdefghij"))
    request = ConvertRequest.of(
        "efficientvit_m0", formats=["coreml"], sizes=[(96, 64), (64, 64)], labels=tmp_path / "names.txt"
    )
    reference = requested_reference(request)
    assert reference.spec.size == (96, 64)
    assert (reference.labels, reference.labels_stated_by) == (tuple("abcdefghij"), "--labels names.txt")
    (tmp_path / "names.txt").write_text("a\nb")
    with pytest.raises(UsageError, match=r"2 names of classes .* for a model of 10 classes"):
        requested_reference(request)


def job(m0: Reference, out: Path, *formats: str, **options: Any) -> Job:
    request = ConvertRequest.of("efficientvit_m0", out=out, formats=formats, precision="fp32", **options)
    targets = tuple(find_target(name) for name in formats)
    images: Any = SimpleNamespace(preprocess=m0.preprocessing.preprocess)
    return Job(request=request, targets=targets, reference=m0, calibration=images, held_out=images)


FORMATS = ("tflite", "executorch", "coreml")


@pytest.mark.parametrize(
    ("error", "made"), [(RuntimeError("planted"), ["tflite", "coreml"]), (KeyboardInterrupt(), ["tflite"])]
)
def test_what_was_proven_before_a_failure_stays(
    error: BaseException, made: list[str], m0: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def produce(target: Any, *_: Any) -> str:
        if target.name == "executorch":
            raise error
        return str(target.name)

    monkeypatch.setattr(pipeline, "produce", produce)
    lowerable: Any = SimpleNamespace(program=None, islands=frozenset(), overflowing=False)
    prepared = Prepared(usual=dict.fromkeys(FloatType, lowerable), further=())
    records, failures = produce_all(job(m0, tmp_path, *FORMATS), prepared, silent)
    assert (records, failures) == (made, [error])


def written_as(format: str, path: Path) -> ArtefactRecord:
    artefact = Artefact(
        format=format,
        precision=Precision.INT8,
        path=path,
        bytes=1,
        sha256="0",
        inputs=ARTEFACT.inputs,
        outputs=(),
        toolchain={},
    )
    return ArtefactRecord(artefact=artefact, delegation=None, validations=(PASSED,), convert_s=1.0)


@pytest.mark.parametrize(
    ("target", "found"), [("tflite-sm8650", "m.tflite"), ("onnx-sm8650", "m.onnx"), ("tflite", None)]
)
def test_what_is_compiled_is_made_of_the_file_that_was_written(target: str, found: str | None) -> None:
    records = [written_as(name, Path(f"m.{name}")) for name in ("executorch", "onnx", "tflite")]
    assert portable_for(find_target(target), records) == (found and Path(found))
    assert portable_for(find_target(target), records[:1]) is None


def test_a_conversion_lowers_nothing_again_to_compile_it(
    m0: Reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compiled also has the form of what it is made of: here that for fp16, which the plain one overflows."""
    portable, compiled = find_target("tflite"), find_target("tflite-sm8650")
    compiled_from: list[Path] = []
    forms: list[Any] = []

    def made(target: Any, each: Any, *others: Any) -> ArtefactRecord:
        _, path, _, given = others
        forms.append(each[0].lowerable)
        if given is not None:
            write(target, each[0], Precision.INT8, path, given)
        path.write_bytes(b"a file")
        return written_as(target.name, path)

    def compile(_: Any, given: Path, *__: Any) -> None:
        compiled_from.append(given)

    monkeypatch.setattr(pipeline, "made", made)
    monkeypatch.setattr(type(compiled), "lower", lambda *_: pytest.fail("it was lowered again"))
    monkeypatch.setattr(type(compiled), "compile", compile)
    stand_ins: list[Any] = [SimpleNamespace(program=None, islands=frozenset(), overflowing=True) for _ in range(2)]
    half, full = stand_ins
    prepared = Prepared(usual={FloatType.FP16: half, FloatType.FP32: full}, further=())
    asked = job(m0, tmp_path, "tflite")
    asked = replace(asked, request=ConvertRequest.of("efficientvit_m0", out=tmp_path), targets=(portable, compiled))
    records, failures = produce_all(asked, prepared, silent)
    assert (len(records), failures, forms) == (2, [], [half, half])
    assert compiled_from == [tmp_path / "efficientvit_m0.int8.tflite"]


@pytest.mark.parametrize(("golden", "task"), [(0, Task.CLASSIFICATION), (8, Task.MULTILABEL)])
def test_where_no_golden_vectors_are_wanted_none_are_left(
    golden: int, task: Task, m0: Reference, tmp_path: Path
) -> None:
    (tmp_path / "golden").mkdir()
    asked = job(with_task(m0, task), tmp_path, "tflite", golden=golden)
    assert write_golden(MANIFEST, asked) is None
    assert not (tmp_path / "golden").exists()


@pytest.mark.parametrize(
    ("verdict", "proven"), [(Verdict.PASSED, True), (Verdict.FAILED, False), (Verdict.NOT_RUN, False)]
)
def test_a_conversion_is_proven_where_every_file_passed(verdict: Verdict, proven: bool, tmp_path: Path) -> None:
    second = artefact("b", validations=(replace(PASSED, verdict=verdict),))
    assert Conversion(folder=tmp_path, manifest=of_model(artefact("a"), second)).proven == proven
