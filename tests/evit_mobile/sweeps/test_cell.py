"""A cell as a job, and what its record says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evit_mobile.engines.children import Children
from evit_mobile.engines.jobs import Outcome, Surroundings
from evit_mobile.errors import UsageError
from evit_mobile.findings import Verdict
from evit_mobile.sweeps.cell import evaluations, failed, finished, job_of, perform, summary
from evit_mobile.sweeps.plan import EvaluationPlan
from evit_mobile.sweeps.records import CellRecord, read_record
from evit_mobile.sweeps.store import Store, open_store
from tests.evit_mobile.sweeps import fakes
from tests.evit_mobile.sweeps.cells import cells_of
from tests.manifests import PASSED, artefact, of_model

NOT_RUN = replace(PASSED, on="gpu", verdict=Verdict.NOT_RUN, images=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(str(tmp_path / "sweep"))
    opened.write("drivers/me.json", b"{}")
    return opened


def test_a_job_is_json_and_brings_the_weights_along(store: Store) -> None:
    (cell,) = cells_of(1)
    plan = EvaluationPlan(images="photos", limit=5)
    job = job_of(replace(cell, weights=("own.pth", "ab"), evaluate=plan), store, "me", 10**9)
    assert json.loads(json.dumps(job.payload)) == job.payload
    assert (job.name, job.memory_bytes, job.files) == ("cell-00000", 10**9, {"own.pth": "ab"})
    assert job.payload["evaluate"] == {"images": "photos", "labels": None, "limit": 5, "reference": False}
    assert (job.payload["driver"], job.payload["store"], job.payload["request"]["seed"]) == ("me", store.url, 0)
    assert job_of(cell, store, "me", 0).files == {}


def test_a_summary_has_a_row_for_every_file_and_judge() -> None:
    manifest = of_model(artefact("a.tflite", validations=(PASSED, NOT_RUN)), artefact("b.pte"), params=7, macs=8)
    found = summary(manifest, {("a.tflite", "judge"): {"evaluated_top1": 91.5}})
    assert {name: found[name] for name in ("model", "params", "macs", "size")} == {
        "model": "tiny",
        "params": 7,
        "macs": 8,
        "size": [32, 32],
    }
    rows = [(row["path"], row["on"], row["verdict"], row["evaluated_top1"]) for row in found["rows"]]
    assert rows == [
        ("a.tflite", "judge", "passed", 91.5),
        ("a.tflite", "gpu", "not_run", None),
        ("b.pte", "judge", "passed", None),
    ]
    assert json.loads(json.dumps(found)) == found


def test_what_is_finished_is_a_record(store: Store) -> None:
    job = job_of(cells_of(1)[0], store, "me", 0)
    outcome = Outcome(result=summary(of_model(artefact("a.tflite")), {}), seconds=1.2345, peak_bytes=9)
    record = read_record(CellRecord, json.dumps(finished(job, outcome)).encode(), "a")
    assert (record.name, record.format, record.precision, record.seconds) == ("cell-00000", "tflite", "int8", 1.23)
    assert (record.peak_bytes, record.request["model"], record.rows[0].path) == (9, "efficientvit_m0", "a.tflite")
    with pytest.raises(AssertionError):  # a field that nobody fills is noticed where it is written
        finished(job, replace(outcome, result={"model": "tiny"}))


def test_why_there_is_none_is_kept(store: Store) -> None:
    job = job_of(cells_of(1)[0], store, "me", 0)
    found = failed(job, Outcome(reason="its process ended", exit_code=3, log="the end", seconds=0.004))
    assert (found.name, found.reason, found.exit_code, found.log, found.seconds) == (
        "cell-00000",
        "its process ended",
        3,
        "the end",
        0.0,
    )
    assert found.title == "efficientvit_m0 int8 tflite"


def test_files_come_first_and_the_record_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds the record finds the files."""
    job = job_of(cells_of(1)[0], store, "me", 0, f"{fakes.__name__}:written")
    real = Store.write

    def write(self: Store, name: str, content: bytes) -> None:
        assert self.read("cells/cell-00000/model.tflite") == b"four"
        assert self.exists("cells/cell-00000/log.txt")
        real(self, name, content)

    monkeypatch.setattr(Store, "write", write)
    outcome = perform(job, Surroundings(report=lambda _: None, children=Children()))
    assert outcome.result is not None
    assert store.names("done") == ["cell-00000"]
    assert store.names("failed") == []


def test_a_folder_that_is_another_one_here_is_refused_before_the_work(tmp_path: Path) -> None:
    job = job_of(cells_of(1)[0], open_store(str(tmp_path / "other")), "me", 0, "no:thing")
    with pytest.raises(UsageError, match="another place"):
        perform(job, Surroundings(report=lambda _: None, children=Children()))


def test_what_ran_is_evaluated_on_its_own_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    from evit_mobile.commands import evaluate as evaluating

    asked: list[dict[str, Any]] = []

    def evaluate(path: Path, **options: Any) -> Any:
        asked.append({"path": path, **options})
        return SimpleNamespace(
            images=5,
            top1=80.0,
            top1_interval=(40.0, 95.0),
            top5=100.0,
            calibration_error=2.0,
            drop=None,
            drop_interval=None,
        )

    monkeypatch.setattr(evaluating, "evaluate", evaluate)
    usual = replace(PASSED, on="")
    manifest = of_model(artefact("a.tflite", validations=(PASSED, NOT_RUN)), artefact("b.pte", validations=(usual,)))
    plan = {"images": "photos", "labels": None, "limit": 5, "reference": True}
    found = evaluations(manifest, Path("out"), plan, print)
    assert [(one["path"], one["on"]) for one in asked] == [(Path("out/a.tflite"), "judge"), (Path("out/b.pte"), None)]
    assert all(one["with_reference"] is True and one["images"] == "photos" and one["limit"] == 5 for one in asked)
    assert found.keys() == {("a.tflite", "judge"), ("b.pte", "")}
    row = found["a.tflite", "judge"]
    assert (row["evaluated_top1_low"], row["evaluated_top1_high"], row["evaluated_drop_low"]) == (40.0, 95.0, None)
