"""evaluate() in pieces: the same counts as in one, and what was counted is not counted again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evit_mobile
from converters.errors import ConverterError
from evit_mobile.commands import counting
from evit_mobile.commands import evaluate as evaluating
from evit_mobile.commands.counting import Count, Source
from evit_mobile.commands.evaluate import PieceError, Pieces, check_limit, evaluate, evaluation, key_of, tallies
from evit_mobile.engines.jobs import Outcome
from evit_mobile.errors import UsageError
from evit_mobile.progress import silent
from evit_mobile.validation.tally import Tally, share_interval
from tests.calib.test_shards import write_tar


class Engine:
    """Runs pieces here, and fails at the second one while it is `broken`."""

    def __init__(self) -> None:
        self.broken, self.ran = True, 0

    def run(self, _work: Any, jobs: Any, report: Any) -> Any:
        for job in jobs:
            self.ran += 1
            if self.broken and self.ran == 2:
                yield job, Outcome(reason="planted", exit_code=2)
            else:
                yield job, Outcome(result=counting.count_piece(job.payload, report))


def test_pieces_that_were_counted_are_kept(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine()
    monkeypatch.setattr(evaluating, "chosen_engine", lambda *_: engine)
    count, pieces = Count(path="a.tflite"), Pieces(shards=4, keep=tmp_path / "kept")
    with pytest.raises(ConverterError, match="planted") as raised:
        list(tallies(count, source.identity, pieces, silent))
    assert raised.value.exit_code == 2
    engine.broken, engine.ran = False, 0
    found = list(tallies(count, source.identity, pieces, silent))
    assert engine.ran == 3
    assert sum(tally.images for tally in found if tally) == 100
    engine.ran = 0
    assert [asdict(one)["images"] for one in tallies(count, source.identity, pieces, silent) if one]
    assert engine.ran == 0
    list(tallies(count, "another file", pieces, silent))
    list(tallies(Count(path="a.tflite", on="arm"), source.identity, pieces, silent))
    assert engine.ran == 8


@pytest.mark.slow
def test_a_written_file_in_pieces(tmp_path: Path) -> None:
    """Through processes of their own, and from tars; with the reference, and one piece that was counted before."""
    conversion = evit_mobile.convert(
        "efficientvit_m0", size=(64, 64), formats=["tflite"], precision="fp32", golden=0, out=tmp_path / "out"
    )
    artefact = conversion.folder / conversion.manifest.artefacts[0].path
    whole = evaluate(artefact, limit=200, with_reference=True)
    pieces = evaluate(
        artefact, limit=200, with_reference=True, pieces=Pieces(shards=3, workers=1, keep=tmp_path / "kept")
    )
    assert pieces == whole
    assert whole.agreement == 100
    assert whole.drop == 0
    assert evaluate(artefact, limit=200, on="xnnpack").top1 == whole.top1
    write_tar(tmp_path / "some.tar", range(30))
    assert evaluate(artefact, images=tmp_path / "some.tar").images == 30


def test_figures_are_those_of_the_counts() -> None:
    """Of four images, one of each class but the last: right, wrong, right, right, where the reference is right on the first two."""
    labels = np.array([0, 1, 2, 2])
    actual = np.eye(4, dtype=np.float32)[[0, 2, 2, 2]]
    expected = np.eye(4, dtype=np.float32)[[0, 1, 3, 3]]
    found = evaluation(
        Path("a.tflite"), "r", "here", Tally.of(actual, labels, expected), ("a note",), ("a", "b", "c", "d")
    )
    assert (found.images, found.top1, found.top5, found.reference_top1) == (4, 75.0, 100.0, 50.0)
    assert (found.agreement, found.drop) == (25.0, -25.0)
    assert found.recall == (100.0, 0.0, 100.0, None)
    assert found.top1_interval == share_interval(3, 4)
    assert found.agreement_interval == share_interval(1, 4)
    assert (found.notes, found.classes) == (("a note",), ("a", "b", "c", "d"))


def test_without_a_reference_nothing_is_said_of_one() -> None:
    found = evaluation(Path("a"), "r", "here", Tally.of(np.eye(3, dtype=np.float32), np.arange(3)), (), ())
    assert (found.top1, found.calibration_error) == (100.0, pytest.approx(100 * (1 - np.e / (np.e + 2)), abs=1e-3))
    assert (found.reference_top1, found.agreement, found.agreement_interval) == (None, None, None)
    assert (found.drop, found.drop_interval) == (None, None)


def test_a_limit_of_images_that_come_in_pieces_is_refused(source: Source) -> None:
    check_limit(source, None, Pieces(shards=2))
    check_limit(source, 5, Pieces(shards=1))
    if source.size is not None:
        check_limit(source, 5, Pieces(shards=2))
    else:
        with pytest.raises(UsageError, match="--limit 5 with --shards"):
            check_limit(source, 5, Pieces(shards=2))


def test_pieces_are_kept_by_what_was_counted_and_not_by_where_the_file_lies() -> None:
    count = Count(path="a.tflite")
    key = key_of(count, "digest 100", 4)
    assert key == key_of(Count(path="moved/a.tflite"), "digest 100", 4)
    others = [
        key_of(count, "another 100", 4),
        key_of(count, "digest 100", 5),
        key_of(Count(path="a.tflite", limit=9), "digest 100", 4),
        key_of(Count(path="a.tflite", with_reference=True), "digest 100", 4),
    ]
    assert len({key, *others}) == 5


def test_a_piece_fails_with_the_exit_code_of_its_process() -> None:
    error = PieceError.of("3", "killed", 137)
    assert (error.exit_code, ConverterError.exit_code) == (137, 3)
    assert error.got == "piece 3, which was not counted (killed)"
