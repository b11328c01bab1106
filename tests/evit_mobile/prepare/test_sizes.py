"""--sizes: refused where it cannot be, every size judged by the model at that size, and a wrong one not passed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converters.coreml import package
from converters.coreml.options import OptionError
from converters.files import sha256
from evit_mobile.commands.validate import validate
from evit_mobile.errors import UsageError
from evit_mobile.record.files import read_manifest, write_manifest
from evit_mobile.report.tables import manifest_table, revalidation_table
from evit_mobile.request import ConvertRequest
from evit_mobile.request.checks import usable_targets
from tests.evit_mobile.test_cli import run
from tests.few_images import few_images

SIZES = ((192, 192), (160, 192))  # the bundled model still tells classes apart at both


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"size": SIZES[0]}, "--size with --sizes"),
        ({"formats": ["tflite"]}, "--sizes for tflite"),
        ({"formats": ["executorch"], "delegate": "coreml"}, "--sizes for executorch-coreml"),
        ({"variation": "relu-attention"}, "--relu-attention"),
        ({"sizes": SIZES[:1]}, "different sizes"),
        ({"sizes": SIZES + SIZES}, "different sizes"),
        ({"sizes": (*SIZES, (100, 100))}, "multiples of 32"),
    ],
)
def test_what_cannot_have_several_sizes(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        usable_targets(request_for(**fields))


def request_for(**fields: Any) -> ConvertRequest:
    return ConvertRequest.of(**{"sizes": SIZES, "formats": ["coreml"], "precision": "fp16"} | fields)


def test_sizes_go_with_core_ml_on_ios_18() -> None:
    usable_targets(request_for(formats=["tflite", "coreml"], image_input=True))
    usable_targets(request_for(formats=["tflite"], sizes=(), size=SIZES[0]))
    for interface in ({"ios": 17}, {"class_output": True}):
        with pytest.raises(OptionError, match="several input sizes"):
            usable_targets(request_for(**interface))


@pytest.mark.parametrize(
    "arguments",
    [("--sizes", "224,x"), ("--sizes", "100,200"), ("--sizes", "224"), ("--sizes", "224,256", "--ios", "16")],
)
def test_bad_sizes_are_bad_input(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "convert", "--format", "coreml", "--fp16", *arguments, "--out", str(tmp_path)) == 2
    assert "error: got" in capsys.readouterr().err


@pytest.mark.slow
def test_every_size_is_proven_and_a_fault_in_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--format", "coreml", "--fp16", "--sizes", "192,160x192", "--image-input", "--golden", "0")
    folder, images = tmp_path / "out", ("--calib", str(few_images(tmp_path)))
    assert run(monkeypatch, "convert", *arguments, *images, "--out", str(folder)) == 0
    manifest = read_manifest(folder)
    (entry,) = manifest.artefacts
    assert [one.size for one in entry.sizes] == list(SIZES)
    assert all((one.validation.sqnr_db or 0) > 40 for one in entry.sizes)
    manifest_table(manifest)

    path = folder / entry.path
    square_for_relu(path, entry.sizes[1].function)
    vouching = replace(entry, sha256=sha256(path))  # else the digest gives it away
    write_manifest(replace(manifest, artefacts=(vouching,)), folder)
    again = validate(folder)
    (result,) = again.artefacts
    assert [one.validation.verdict for one in result.sizes] == ["passed", "failed"]
    assert not again.proven
    assert "size_160x192" in result.validation.reason
    revalidation_table(again)


def square_for_relu(path: Path, function: str) -> None:
    """Changes one operation of one function."""
    members = package.read(path)
    found = members.specification.mlProgram.functions[function]
    operations = found.block_specializations[found.opset].operations
    relu = next(operation for operation in operations if operation.type == "relu")
    relu.type = "square"
    members.model.write_bytes(members.specification.SerializeToString())
