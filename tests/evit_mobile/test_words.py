"""Words for people: what a misspelt name may have meant, tables and help of 80 columns, colours only on a terminal, completion."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from converters.registry import UnknownTargetError, find_judge, find_target
from evit_mobile import ConvertRequest, FolderValidation, Precision, UsageError, Validation, Verdict
from evit_mobile.cli.app import application
from evit_mobile.commands.validate import Revalidation
from evit_mobile.demos.export import find_app
from evit_mobile.record.manifest import Manifest
from evit_mobile.report import profiles, sensitivity_table, tables, tables_of_sweeps
from evit_mobile.report.names import wrapped
from evit_mobile.spec import find_spec
from evit_mobile.sweeps.driver import CellState, Sweep
from tests.evit_mobile.test_cli import run
from tests.manifests import artefact, of_model

ROOT = Path(__file__).parents[2]
CODE = "import sys; from evit_mobile.cli.app import main; sys.argv[0] = 'evit-mobile'; main()"
GROUP: Any = typer.main.get_command(application())


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        (lambda: find_target("tflit"), "tflite"),
        (lambda: find_target("Core ML"), "coreml"),
        (lambda: find_judge("xnpack", "tflite"), "xnnpack"),
        (lambda: find_spec("b1"), "efficientvit_b1"),
        (lambda: find_spec("EfficientViT-M3"), "efficientvit_m3"),
        (lambda: find_spec("efficientvit_b1.r224_in1k"), "efficientvit_b1"),
        (lambda: find_app("andriod"), "android"),
        (lambda: ConvertRequest.of("efficientvit_m0", precision="int8_full"), "int8-full"),
        (lambda: ConvertRequest.of("efficientvit_m0", fromats=["tflite"]), "formats"),
    ],
)
def test_a_misspelt_name_is_understood(ask: Any, meant: str) -> None:
    with pytest.raises((UsageError, UnknownTargetError), match=rf"did you mean {meant}\?$"):
        ask()


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("--format", "tflit"), "tflite"),
        (("--format", "tflite", "--on", "xnnpak"), "xnnpack"),
        (("--format", "executorch", "--delegate", "vulcan"), "vulkan"),
        (("--model", "efficientvitb0"), "efficientvit_b0"),
    ],
)
def test_on_the_command_line_too(
    arguments: tuple[str, ...], meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "convert", *arguments) == 2
    got, expected, advice = capsys.readouterr().err.splitlines()[-3:]
    assert got.startswith("error: got ")
    assert expected.startswith("expected ")
    assert meant in expected or meant.startswith("efficientvit")
    assert advice.startswith("try: ")
    assert advice.endswith(f"did you mean {meant}?")


def rendered(table: Any) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]  # as above


LONG = "a/very/long/path/to/a/folder/that/somebody/has/efficientvit_seg_b0_cityscapes.relu-activation.int8-palette4.coreml.pte"
FALLBACK = {
    "op": "aten._native_batch_norm_legit_no_training",
    "count": 3,
    "reason": "no kernel for it",
    "modules": [LONG],
}
DELEGATION = {"delegate": "XNNPACK", "partitions": 44, "delegated_ops": 1, "total_ops": 1, "fallback": [FALLBACK]}
VALIDATION = Validation(
    verdict=Verdict.NOT_RUN,
    reason="no device",
    images=256,
    runtime="LiteRT",
    sqnr_db=128.25,
    top1_agreement=0.9961,
    top1_reference=100.0,
    top1_artefact=100.0,
)
MODULE = "backbone.stages.stage4.blocks.12.context_module.main.qkv_projection.conv"
ESTIMATE = {"value": 123.4, "low": 120.0, "high": 126.0}
PROFILE = {
    "artefact": {"name": Path(LONG).name, "model": "efficientvit_seg_b0_cityscapes", "macs": 99e6},
    "latency_ms": {"p50": ESTIMATE, "p90": {"value": 234.5}, "p99": {"value": 1234.5}, "runs": 40000},
    "memory": {"peak_bytes": 3e8, "before_load_bytes": 1e8},
    "energy": {"mj_per_inference": ESTIMATE},
    "operators": {
        "rows": [
            {"operator": "op", "kind": "Deeply Connected (NC, QS8, QC8W)", "count": 1, "ms": 1.0, "module": MODULE}
        ],
        **{
            "whole_ms": 10.0,
            "unattributed_ms": 1.0,
            "sum_ms": 9.0,
            "share": 0.9,
            "rounding_ms": 0.1,
            "source": "LiteRT",
        },
    },
    **{"load_ms": 1200.0, "first_run_ms": 300.0, "precise": True, "steady": True, "throttling": {"signs": []}},
}


def long_manifest() -> Manifest:
    named = artefact(LONG, format="executorch-coreml", precision=Precision.INT8_PALETTE4, validations=(VALIDATION,))
    return replace(of_model(name="efficientvit_seg_b0_cityscapes"), artefacts=(named,))


FIGURES = ("top1", "top5", "drop", "agreement", "calibration_error")
DOCUMENTS = {
    tables_of_sweeps.sweep_table: lambda: Sweep(
        out=LONG,
        cells=(
            CellState(name="0", title=f"{LONG} 192x288 int8 tflite", state="failed", reason=f"no {LONG}", seconds=1e5),
        ),
        left_out=(LONG,),
    ),
    tables.manifest_table: long_manifest,
    profiles.profile_tables: lambda: {"profiles": [PROFILE], "ratios": []},
    sensitivity_table.sensitivity_table: lambda: {
        **{"model": "efficientvit_seg_b0_cityscapes", "weights": LONG, "images": 256},
        "modules": [{"module": MODULE, "share": 0.5, "output_sqnr_db": 123.4, "module_sqnr_db": 12.3}],
        **{"measured_sqnr_db": 1.0, "predicted_sqnr_db": 2.0},
    },
    tables.doctor_table: tables.doctor_rows,
    tables.models_table: tables.model_rows,
    tables.inspection_table: lambda: {
        **{"path": LONG, "bytes": 1, "dtypes": {"int8": 4}, "operations": {"CONV_2D": 3}, "npu": [], "notes": []},
        **{"inputs": [], "outputs": [], "delegation": DELEGATION, "modules": {MODULE: {LONG: 1}}},
    },
    tables.revalidation_table: lambda: FolderValidation(
        artefacts=(
            Revalidation(
                path=Path(LONG),
                format="executorch-coreml",
                precision=Precision.INT8_PALETTE4,
                validations=(VALIDATION,),
            ),
        ),
        golden=None,
    ),
    tables.export_table: lambda: {
        **{"model": "efficientvit_m0", "app": "ios", "folder": LONG, "artefacts": [LONG], "left_out": [LONG]},
        **{"golden": 8, "bytes": 1},
    },
    tables.publication_table: lambda: {
        "repository": "me/tiny",
        "url": None,
        "folder": LONG,
        "files": [LONG],
        "bytes": 1,
    },
    tables.evaluation_table: lambda: {
        **{"path": LONG, "reference_top1": 100.0, "images": 1, "source": LONG, "runtime": "LiteRT", "notes": []},
        "unanswered": 1,
        **dict.fromkeys(FIGURES, 100.0),
        **{f"{name}_interval": (99.9, 100.0) for name in FIGURES},
        **{"recall": [None, 1.0], "classes": ["a", LONG]},
    },
}


@pytest.mark.parametrize("table", DOCUMENTS, ids=lambda table: table.__name__)
def test_tables_fit_80_columns_and_lose_nothing(table: Any) -> None:
    document = DOCUMENTS[table]()
    text = rendered(table(document))
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    if isinstance(document, dict) and "folder" in document:
        assert LONG in re.sub(r"[\s│┃]", "", text)


def test_names_break_behind_their_joints() -> None:
    lines = list(wrapped("executorch-coreml int8-palette4", 12))
    assert lines == ["executorch-", "coreml int8-", "palette4"]
    assert list(wrapped("int8", 2)) == ["int8"]
    text = rendered(profiles.profile_tables({"profiles": [PROFILE], "ratios": []}))
    for figure in ("123.4 ±3.0", "234.50", "1234.50", "1500", "200.0", "40000", "QC8W)", "10 %"):
        assert figure in text


@pytest.mark.parametrize("name", GROUP.commands)
def test_help_fits_80_columns_without_cutting_words(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(monkeypatch, name, "--help") == 0
    shown = capsys.readouterr().out
    words = set(re.sub("[│╭╰─╮╯]", " ", shown).split())
    shown_ones = [one for one in GROUP.commands[name].params if not getattr(one, "hidden", False)]
    said = [text for one in shown_ones for text in (getattr(one, "help", ""), one.metavar) if text]
    assert [word for text in said for word in text.split() if word not in words] == []
    assert not re.search(r"<[\w-]+\|", shown)  # choices in a column of their own are cut: help has them as words
    assert max(map(len, shown.splitlines())) <= 80


def piped(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`evit-mobile` with its output in pipes, as a script sees it."""
    return subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("models",), ("doctor",), ("convert", "--format", "tflit"), ("convrt",)])
def test_no_colours_and_no_spinner_without_a_terminal(arguments: tuple[str, ...]) -> None:
    done = piped(*arguments, TERM="xterm-256color")
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout or done.stderr


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What `evit-mobile` writes to a terminal of its own."""
    own, its = pty.openpty()
    command = [sys.executable, "-c", CODE, *arguments]
    around = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **environment}
    with subprocess.Popen(command, cwd=ROOT, env=around, stdout=its, stderr=its, stdin=its) as process:
        os.close(its)
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while part := os.read(own, 4096):
                said += part
        process.wait()
    os.close(own)
    return said.decode()


COLOUR = re.compile(r"\x1b\[[\d;]*(?:3[0-7]|9[0-7])m")


def test_a_terminal_has_colours_unless_it_wants_none() -> None:
    arguments = ("convert", "--format", "tflit")
    assert COLOUR.search(on_a_terminal(*arguments))
    assert not COLOUR.search(on_a_terminal(*arguments, NO_COLOR="1"))
    assert "\x1b" not in on_a_terminal(*arguments, TERM="dumb")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_completion_of_a_shell_is_shown() -> None:
    shown = subprocess.run(
        ["bash", "-c", shlex.join([sys.executable, "-c", CODE, "--show-completion"]) + "; true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "complete -o default -F" in shown
    assert "_EVIT_MOBILE_COMPLETE=complete_bash" in shown


def test_shells_complete_commands_and_options() -> None:
    def completed(words: str, count: int) -> list[str]:
        return piped(_EVIT_MOBILE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(count)).stdout.split()

    assert completed("evit-mobile con", 1) == ["convert"]
    assert "--int8-weights" in completed("evit-mobile convert --int8", 2)


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_an_order_to_end_ends_it_in_words(
    order: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is half written is removed then, and so are the temporary packages that coremltools leaves to the end of the process."""
    monkeypatch.setattr(tables, "model_rows", lambda: os.kill(os.getpid(), order))
    assert run(monkeypatch, "models") == 130
    assert capsys.readouterr().err == "interrupted; files already finished are complete\n"
