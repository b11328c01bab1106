from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.candidates import Runtime
from benchmarks.results import Comparison, from_json, to_json
from benchmarks.run import without_folder
from tests.benchmarks.benchmark_results import comparison


def test_a_comparison_survives_json() -> None:
    original = comparison()
    restored = from_json(Comparison, json.loads(json.dumps(to_json(original))))
    assert restored == original
    assert isinstance(restored.results[0].candidate.runtime, Runtime)


def test_every_round_is_in_the_file() -> None:
    document = to_json(comparison())
    (single, _) = document["results"][1]["timings"]
    assert single["rounds_ms"] == pytest.approx([1.0, 2.0, 1.5])


@pytest.mark.parametrize("change", [{"schem": 1}, {"machine": {"cpu": "x"}}])
def test_another_document_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError)):
        from_json(Comparison, to_json(comparison()) | change)


def test_results_do_not_say_where_a_machine_keeps_its_files() -> None:
    text = '{"path": "/home/somebody/bench/m0/fp32.tflite", "error": "got /home/somebody/bench/m0/x"}'
    assert without_folder(text, Path("/home/somebody/bench")) == '{"path": "m0/fp32.tflite", "error": "got m0/x"}'
