"""`profile`: every artefact gets its record, those of one run are pairs, and nothing is written before all is well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.errors import ArtefactError
from evit_mobile.errors import UsageError
from evit_mobile.profiling.protocol import Settings
from evit_mobile.profiling.run import profile
from evit_mobile.profiling.stored import read
from tests.evit_mobile.profiling.app_reports import report


@pytest.fixture
def place(package: Path) -> str:
    """A report of two packages, of which the second takes twice as long."""
    other = package.parent / "others" / "b0.int8.mlpackage"
    other.mkdir(parents=True)
    (other / "Manifest.json").write_text("{ }")
    document = report(package)
    slower = [2 * value for value in document["artefacts"][0]["latencies_ms"]]
    document["artefacts"] += report(other, latencies_ms=slower)["artefacts"]
    (package.parent / "report.json").write_text(json.dumps(document))
    return f"ios-report:{package.parent / 'report.json'}"


def test_each_gets_a_record_beside_it_and_they_are_pairs(package: Path, place: str) -> None:
    other = package.parent / "others" / "b0.int8.mlpackage"
    document = profile([package, str(other)], place=place)
    first, second = document["profiles"]
    assert read(package.parent / "profile.jsonl") == [first]
    assert read(other.parent / "profile.jsonl") == [second]
    assert first["run"] == second["run"] != profile([package], place=place)["profiles"][0]["run"]
    assert {first["place"], second["place"]} == {place}
    assert first["settings"] == {"threads": 1, "bound": 0.01, "budget_s": 20.0}
    (ratio,) = document["ratios"]
    assert (ratio["artefact"], ratio["to"], ratio["value"]) == (other.name, package.name, pytest.approx(2.0))


def test_one_file_takes_all_records_where_it_is_named(package: Path, place: str, tmp_path: Path) -> None:
    paths = [package.parent / "others" / "b0.int8.mlpackage", package]
    profile(paths, place=place, settings=Settings(bound=0.2), out=tmp_path / "all.jsonl")
    found = read(tmp_path / "all.jsonl")
    assert [item["artefact"]["name"] for item in found] == [path.name for path in paths]
    assert {item["settings"]["bound"] for item in found} == {0.2}
    assert not (package.parent / "profile.jsonl").exists()


def test_what_is_wrong_with_one_is_said_before_anything_is_written(package: Path, place: str) -> None:
    with pytest.raises(ArtefactError, match="does not exist"):
        profile([package, package.with_name("none.mlpackage")], place=place)
    with pytest.raises(UsageError, match="moon"):
        profile([package], place="moon")
    assert not (package.parent / "profile.jsonl").exists()
