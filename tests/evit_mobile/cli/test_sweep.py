"""`evit-mobile sweep`: what it prints, and how it ends."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path

import pytest

from evit_mobile.sweeps.driver import CellState, Sweep
from tests.evit_mobile.cli.command_line import Handed, command
from tests.evit_mobile.cli.conftest import Run

PLAN = "models: [efficientvit_m0]\nsizes: [64]\nprecisions: [fp32, int8-full]\nformats: [tflite, coreml]\n"


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


def swept(state: str) -> Handed:
    cell = CellState(name="c", title="m0 64x64 fp32 tflite", state=state, reason="planted" if state == "failed" else "")
    return Handed(Sweep(out="o", cells=(cell,), left_out=()))


def test_options_are_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    below = swept("finished")
    monkeypatch.setattr("evit_mobile.sweeps.driver.sweep", below)
    options = ("--workers", "3", "--memory", "1.5GB", "--retry-failed")
    code, out, err = command("sweep", "plan.yaml", "--out", "az://box/sweep", *options)
    assert below.arguments == (Path("plan.yaml"),)
    assert below.options == {
        "out": "az://box/sweep",
        "workers": 3,
        "memory_bytes": 1_500_000_000,
        "ray": None,
        "retry_failed": True,
        "dry_run": False,
    }
    assert (code, err) == (0, "working")
    assert "1 finished" in out


@pytest.mark.parametrize(
    ("state", "options", "code"),
    [("finished", [], 0), ("unproven", [], 1), ("failed", [], 1), ("open", [], 1), ("open", ["--dry-run"], 0)],
)
def test_it_ends_well_where_every_cell_is_proven(
    state: str, options: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evit_mobile.sweeps.driver.sweep", swept(state))
    ended = command("sweep", "plan.yaml", "--out", "o", "--json", *options)
    assert ended.code == code
    assert json.loads(ended.out)["cells"][0]["state"] == state


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "0"], "--workers"),
        (["--memory", "much"], "--memory 'much'"),
        ([], "--out"),
    ],
)
def test_what_is_refused(options: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    below = swept("finished")
    monkeypatch.setattr("evit_mobile.sweeps.driver.sweep", below)
    code, out, err = command("sweep", "plan.yaml", *(["--out", "o"] if options else []), *options)
    assert (code, out, below.called) == (2, "", False)
    assert said in err
