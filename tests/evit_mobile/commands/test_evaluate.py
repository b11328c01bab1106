"""evaluate() in pieces: the same counts as in one, and what was counted is not counted again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import evit_mobile
from calib.preprocess import Preprocess
from calib.shards import open_shards
from converters.errors import ConverterError
from evit_mobile.commands import counting
from evit_mobile.commands import evaluate as evaluating
from evit_mobile.commands.counting import Count, Source, counted
from evit_mobile.commands.evaluate import Pieces, evaluate, tallies
from evit_mobile.engines.jobs import Outcome
from evit_mobile.images.data import everything
from evit_mobile.labels import Classes
from evit_mobile.progress import silent
from tests.calib.test_shards import write_tar


class Guesser:
    """A judge that tells a class from the mean of an image."""

    runtime = "a guess"

    def load(self, _path: Path) -> Any:
        return lambda images: np.stack([np.roll([3.0, 1.0, 0.5], int(100 * image.mean()) % 3) for image in images])


@pytest.fixture(params=["tars", "arrays"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    preprocess = Preprocess(size=(32, 32))
    if request.param == "tars":
        for number in range(2):
            write_tar(tmp_path / f"{number}.tar", range(50 * number, 50 * number + 50))
        opened: Any = open_shards(str(tmp_path))
    else:
        opened = everything(None, preprocess, 100)
    classes = Classes(logits=3 if request.param == "tars" else 10)
    if request.param == "arrays":
        monkeypatch.setattr(Guesser, "load", lambda *_: lambda images: np.eye(10)[np.arange(len(images)) % 10])
    found = Source(name="here", classes=classes, notes=(), opened=opened, preprocess=preprocess)
    entry = SimpleNamespace(outputs=(), sha256="0")
    monkeypatch.setattr(counting, "listed_artefacts", lambda path: (path, None, [entry]))
    monkeypatch.setattr(counting, "labelled_source", lambda *_: found)
    monkeypatch.setattr(counting, "judge_of", lambda _count: Guesser())
    return found


def test_pieces_count_what_the_whole_does(source: Source) -> None:
    count = Count(path="a.tflite")
    whole = counted(count, 0, 1, silent)
    assert whole is not None
    assert whole.images == 100
    assert 0 < whole.hits < 100
    for of in (2, 3, 8):
        parts = [part for piece in range(of) if (part := counted(count, piece, of, silent)) is not None]
        total = sum(parts[1:], parts[0])
        assert total.images == 100
        if source.size is None:  # the stand-in for arrays looks at positions in a batch
            assert total.to_json() == whole.to_json()


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
