"""Real files measured in real runtimes on this machine, and workers that fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from converters.errors import ArtefactError
from evit_mobile.cli.app import application
from evit_mobile.errors import DeviceError, UsageError
from evit_mobile.profiling import fine_clock, host
from evit_mobile.profiling.channel import WORKER
from evit_mobile.profiling.host import CONVERTERS
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.records import subject
from evit_mobile.profiling.run import profile
from evit_mobile.profiling.stored import read

QUICK = Settings(bound=0.5, budget_s=1.0)


def test_both_runtimes_side_by_side(artefacts: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "profile.jsonl"
    document = profile(list(artefacts.values()), place="host", settings=QUICK, out=out)
    lite, torch = document["profiles"]
    assert read(out) == json.loads(json.dumps(document["profiles"]))
    assert (lite["runtime"]["name"], torch["runtime"]["name"]) == ("LiteRT with XNNPACK", "ExecuTorch with XNNPACK")
    for item in (lite, torch):
        latency = item["latency_ms"]
        assert latency["runs"] == len(item["latencies_ms"]) >= 200
        assert 0 < latency["minimum"] <= latency["p50"]["value"] <= latency["p99"]["value"]
        assert item["load_ms"] > 0
        assert item["first_run_ms"] > 0
        assert item["memory"]["peak_bytes"] > item["memory"]["before_load_bytes"] > 0
        assert item["device"]["after"]["process_threads"] >= 1
    assert lite["run"] == torch["run"]
    assert document["ratios"][0]["artefact"] == "small.pte"
    for item in (lite, torch):
        named = [(row["kind"], row["module"]) for row in item["operators"]["rows"] if row["kind"]]
        assert [module for kind, module in named if "onv" in kind.lower() and "Convert" not in kind] == [
            "block.expand",
            "block.reduce",
        ]


def test_operators_are_those_of_the_file_and_add_up(artefacts: dict[str, Path], tmp_path: Path) -> None:
    document = profile([artefacts["tflite"]], place="host", settings=QUICK, out=tmp_path / "p.jsonl")
    operators = document["profiles"][0]["operators"]
    found = [(row["kind"], row["module"]) for row in operators["rows"] if row["kind"]]
    assert [entry for entry in found if "CONV" in entry[0]] == [
        ("CONV_2D", "block.expand"),
        ("CONV_2D", "block.reduce"),
    ]
    assert ("FULLY_CONNECTED", "head") in found
    assert operators["sum_ms"] == pytest.approx(sum(row["ms"] for row in operators["rows"]), abs=1e-3)
    assert operators["whole_ms"] == pytest.approx(operators["sum_ms"] + operators["unattributed_ms"])
    assert operators["rounding_ms"] == pytest.approx(1e-6 * len(operators["rows"]))


def test_without_a_compiler_operators_are_coarse_or_unavailable(
    artefacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_clock.shutil, "which", lambda _name: None)
    lite, torch = (host.operators(subject(artefacts[name]), QUICK, 1.0) for name in ("tflite", "executorch"))
    assert "C compiler" in torch["unavailable"]
    assert lite["rounding_ms"] == pytest.approx(1e-3 * len(lite["rows"]))
    assert "whole microseconds" in lite["source"]


def test_a_second_profile_is_added_and_compared(
    artefacts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "profile.jsonl")
    for _ in range(2):
        arguments = ["profile", str(artefacts["tflite"]), "--out", out, "--bound", "0.5", "--budget", "1", "--json"]
        monkeypatch.setattr(sys, "argv", ["evit-mobile", *arguments])
        application()(arguments, standalone_mode=False)
        assert json.loads(capsys.readouterr().out)["profiles"][0]["place"] == "host"
    assert len(read(Path(out))) == 2
    application()(["compare", out, out, "--json"], standalone_mode=False)
    (comparison,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert comparison["ratio"]["value"] == 1
    assert comparison["verdict"] == "no difference seen"


@pytest.mark.slow
def test_the_tables_are_printed(artefacts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "profile.jsonl")
    paths = [str(path) for path in artefacts.values()]
    application()(["profile", *paths, "--out", out, "--bound", "0.5", "--budget", "1"], standalone_mode=False)
    text = capsys.readouterr().out
    for expected in (
        "small.tflite",
        "outside operators",
        "profiling adds",
        "times as long as",
        "energy unavailable",
    ):
        assert expected in text
    assert text.count(" convolution ") == 2, "both runtimes' operators are called as a person calls them"
    assert "CONV_2D" not in text
    assert "Conv2d" not in text


def test_an_artefact_that_the_runtime_refuses(tmp_path: Path) -> None:
    (tmp_path / "bad.tflite").write_bytes(b"not a model")
    with pytest.raises(DeviceError, match=r"bad\.tflite on this machine: ValueError"):
        profile([tmp_path / "bad.tflite"], place="host", settings=QUICK)


def test_a_runtime_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.mlpackage").mkdir()
    with pytest.raises(DeviceError, match="macOS"):
        profile([tmp_path / "a.mlpackage"], place="host", settings=QUICK)


@pytest.mark.parametrize("name", ["missing.tflite", "model.caffemodel"])
def test_what_is_no_artefact(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.caffemodel").write_bytes(b"")
    with pytest.raises(ArtefactError):
        profile([tmp_path / name], place="host", settings=QUICK)


@pytest.mark.parametrize("place", ["host", "ssh:board"])
@pytest.mark.parametrize("name", ["a.coreml.pte", "a.int8.vulkan.pte"])
def test_what_only_a_device_runs_is_refused_before_anything_starts(
    name: str, place: str, artefacts: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match=rf"{name} .*, which nothing here times.*--on ios-report:FILE") as refusal:
        profile([artefacts["tflite"], tmp_path / name], place=place, settings=QUICK)
    assert refusal.value.exit_code == 2


def test_a_place_that_does_not_exist(artefacts: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="moon"):
        profile([artefacts["tflite"]], place="moon", settings=QUICK)


def test_the_worker_and_what_it_loads_stand_alone(tmp_path: Path) -> None:
    """They are copied to machines that have nothing of ours."""
    for file in (
        WORKER,
        host.OPERATOR_WORKER,
        *CONVERTERS.glob("*/session.py"),
        *CONVERTERS.glob("*/operator_profile.py"),
        CONVERTERS / "coreml" / "compute_plan.py",
        CONVERTERS / "executorch" / "weight_cache.py",
    ):
        source = file.read_text()
        assert not any(
            f"{word} {name}" in source for word in ("import", "from") for name in ("evit_mobile", "converters", "calib")
        )
    done = subprocess.run(
        [sys.executable, "-I", WORKER, CONVERTERS / "tflite" / "session.py", tmp_path / "none.tflite", "1"],
        input="facts\nload\n",
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    facts, error = map(json.loads, done.stdout.splitlines())
    assert facts["cores"] >= 1
    assert "none.tflite" in error["error"]


STAND_IN = """
from types import SimpleNamespace as Record

class MLNeuralEngineComputeDevice: pass
class MLCPUComputeDevice: pass

def operation(name, kind, device, weight):
    return Record(operator_name=kind, outputs=[Record(name=name)], device=device, weight=weight)

OPERATIONS = [
    operation("const_0", "const", None, None),
    operation("stages__0__conv__conv2d", "ios18.conv", MLNeuralEngineComputeDevice(), 0.75),
    operation("head__linear", "ios18.linear", MLCPUComputeDevice(), 0.25),
]

class MLComputePlan:
    model_structure = Record(program=Record(functions={"main": Record(block=Record(operations=OPERATIONS))}))

    @classmethod
    def load_from_path(cls, path, compute_units):
        assert (path, compute_units) == ("compiled", "all")
        return cls()

    def get_estimated_cost_for_mlprogram_operation(self, operation):
        return operation.weight and Record(weight=operation.weight)

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        return operation.device and Record(preferred_compute_device=operation.device)
"""
"""As much of coremltools on macOS as compute_plan.py asks for, by its documentation."""


def test_core_mls_plan_becomes_estimates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "coremltools" / "models"
    models.mkdir(parents=True)
    (models / "compute_plan.py").write_text(STAND_IN)
    (models / "__init__.py").write_text(
        "class MLModel:\n    def __init__(self, path): pass\n    def get_compiled_model_path(self): return 'compiled'\n"
    )
    (models.parent / "__init__.py").write_text("from coremltools import models\nclass ComputeUnit:\n    ALL = 'all'\n")
    (tmp_path / "a.mlpackage").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    operators = host.operators(subject(tmp_path / "a.mlpackage"), QUICK, 2.0)
    assert [(row["kind"], row["module"], row["delegated"], row["ms"]) for row in operators["rows"]] == [
        ("conv", "stages.0.conv", True, 1.5),
        ("linear", "head", False, 0.5),
    ]
    assert operators["estimated"]
    (models.parent / "__init__.py").write_text("raise ImportError('no Mac')")
    without = host.operators(subject(tmp_path / "a.mlpackage"), QUICK, 2.0)
    assert "compute plan cannot be read: ImportError: no Mac" in without["unavailable"]
