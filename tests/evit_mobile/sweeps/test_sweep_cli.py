"""`evit-mobile sweep` and `best`: what they print, and how they end."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evit_mobile import cli
from evit_mobile.cli.flags import parse_bytes
from evit_mobile.errors import UsageError
from evit_mobile.sweeps.estimate import BYTES_PER_WEIGHT, Estimator
from evit_mobile.sweeps.plan import SweepPlan
from tests.evit_mobile.sweeps.test_best import record, sweep_of

Run = Callable[..., tuple[int, str, str]]
PLAN = "models: [efficientvit_m0]\nsizes: [64]\nprecisions: [fp32, int8-full]\nformats: [tflite, coreml]\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, stdout and stderr of one command line."""

    def ran(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["evit-mobile", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capsys.readouterr()
        return int(stop.value.code or 0), printed.out, printed.err

    return ran


@pytest.fixture
def plan(tmp_path: Path) -> str:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return str(path)


def test_a_dry_run_lists_the_cells_and_does_nothing(plan: str, tmp_path: Path, run: Run) -> None:
    code, out, _ = run("sweep", plan, "--out", str(tmp_path / "out"), "--dry-run", "--json")
    assert code == 0
    document = json.loads(out)
    assert [cell["title"] for cell in document["cells"]] == [
        "efficientvit_m0 64x64 fp32 tflite",
        "efficientvit_m0 64x64 fp32 coreml",
        "efficientvit_m0 64x64 int8-full tflite",
    ]
    assert all(
        cell["state"] == "open" and cell["memory_bytes"] > 5e8 and cell["seconds"] > 1 for cell in document["cells"]
    )
    assert document["left_out"] == ["coreml has no int8-full"]
    assert not (tmp_path / "out").exists()
    code, out, _ = run("sweep", plan, "--out", str(tmp_path / "out"), "--dry-run")
    assert code == 0
    assert "left out: coreml has no int8-full" in out


def test_a_misspelt_plan(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("models: [efficientvit_m0]\nformats: [tflight]\n")
    code, out, err = run("sweep", str(path), "--out", str(tmp_path / "out"))
    assert (code, out) == (2, "")
    assert "formats[0]" in err
    assert "did you mean tflite?" in err


def test_a_variant_that_there_is_not(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("models: [efficientvit_m9]\nformats: [tflite]\n")
    assert run("sweep", str(path), "--out", str(tmp_path / "out"))[0] == 2


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed here")
def test_without_ray(plan: str, tmp_path: Path, run: Run) -> None:
    code, _, err = run("sweep", plan, "--out", str(tmp_path / "out"), "--ray", "auto")
    assert code == 3
    assert "pip install 'evit-mobile[ray]'" in err


def test_two_ways_of_running_exclude_each_other(plan: str, tmp_path: Path, run: Run) -> None:
    code, _, err = run("sweep", plan, "--out", str(tmp_path / "out"), "--ray", "auto", "--workers", "2")
    assert code == 2
    assert "--workers or --memory with --ray" in err


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: make test-ray")
def test_an_address_where_nothing_answers(plan: str, tmp_path: Path, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert run("sweep", plan, "--out", str(tmp_path / "out"), "--ray", address)[0] == 3


def test_best_prints_what_keeps_the_limits(tmp_path: Path, run: Run) -> None:
    sweep = sweep_of(tmp_path / "sweep", record("a", top1=92.9), record("b", top1=90.0))
    code, out, _ = run("best", str(sweep), "--max-drop", "0.5", "--html", str(tmp_path / "front.html"))
    assert code == 0
    assert "1 of 2 files" in out
    assert "What to ship" in (tmp_path / "front.html").read_text()
    code, out, _ = run("best", str(sweep), "--max-drop", "0.01", "--json")
    assert code == 1
    assert json.loads(out)["chosen"] == []
    assert run("best", str(tmp_path / "no"))[0] == 2


@pytest.mark.parametrize(("text", "size"), [("12GB", 12e9), ("800M", 8e8), ("1.5g", 1.5e9), ("4096", 4096)])
def test_sizes_of_memory(text: str, size: float) -> None:
    assert parse_bytes("--memory", text) == size


@pytest.mark.parametrize("text", ["", "0", "many", "-1GB", "12 apples"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError):
        parse_bytes("--memory", text)


def test_estimates_follow_the_model_and_what_was_seen(tmp_path: Path) -> None:
    def request(**model: object) -> object:
        return SweepPlan.of({"models": [model], "formats": ["tflite"]}).requests()[0][0]

    small, large = request(model="efficientvit_m0"), request(model="efficientvit_l3", weights="random")
    rule = Estimator()
    assert 0.8e9 < rule.estimate(small).memory_bytes < 1.3e9
    assert 9e9 < rule.estimate(large).memory_bytes < 12e9
    assert rule.estimate(large).seconds > rule.estimate(small).seconds
    seen = replace(record("a"), params=2_300_000, macs=79_000_000, seconds=40.0, peak_bytes=2 * 10**9)
    fitted = Estimator([seen])
    assert fitted.estimate(small).seconds == pytest.approx(40, rel=0.1)
    assert 2e9 < fitted.estimate(small).memory_bytes < 3e9
    file = tmp_path / "own.pth"
    file.write_bytes(b"0" * BYTES_PER_WEIGHT * 1000)
    assert rule.estimate(request(weights=str(file))).memory_bytes == pytest.approx(0.9e9, rel=0.01)


def test_the_functions_are_called_as_the_page_says(tmp_path: Path) -> None:
    """No part of the package has the name of a function of it, which importing that part would hide."""
    import evit_mobile

    plan = {"models": ["efficientvit_m0"], "formats": ["tflite"]}
    for _ in range(2):
        assert not evit_mobile.sweep(plan, out=tmp_path, dry_run=True).proven
    parts = {path.name.removesuffix(".py") for path in Path(evit_mobile.__file__).parent.iterdir()}
    assert not parts & set(evit_mobile.__all__)
