"""Written .tflite files in other runtimes than the one they were proven with; what they give is written to docs/runtimes.md.

Opt-in: `make test-runtimes`, or `scripts/runtimes/prepare.sh FOLDER` and EVIT_MOBILE_RUNTIMES=FOLDER.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import evit_mobile
from converters.contract import Precision
from converters.tflite.runtime import LiteRTRunner, load_runner, to_codes, to_values
from evit_mobile.images.data import everything, preprocess_for
from evit_mobile.metrics import sqnr_db, top1_agreement
from evit_mobile.spec import find_spec
from evit_mobile.thresholds import THRESHOLDS

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts" / "runtimes"
PAGE = ROOT / "docs" / "runtimes.md"
BEGIN, END = "<!-- results -->\n", "<!-- end -->\n"
FOLDER = Path(os.environ.get("EVIT_MOBILE_RUNTIMES", "missing"))
IMAGES = 64
MODELS = ("efficientvit_m0", "efficientvit_b0")
PRECISIONS = (Precision.FP32, Precision.FP16, Precision.INT8, Precision.INT8_WEIGHTS, Precision.INT8_FULL)
MIN_FLOAT_DB, MIN_AGREEMENT = 100.0, 0.98
ENVIRONMENTS = {
    line.split()[0]: line.split()[1]
    for line in (SCRIPTS / "environments.txt").read_text().splitlines()
    if line and not line.startswith("#")
}
LACKS = {("microcontroller", Precision.FP16): "dequantize"}
"""Precisions that a runner does not have, and what of its message says so."""

ERRS = {("microcontroller", Precision.INT8_WEIGHTS)}
"""Precisions that a runner has and computes wrongly, without a word; a runner that no longer does is to be taken out here."""

Results = dict[tuple[str, str, str], str]
"""The table's cells by environment, model and precision."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="EVIT_MOBILE_RUNTIMES names no prepared folder"),
]


@pytest.fixture(scope="module")
def results() -> Iterator[Results]:
    """Filled by the tests, and written to the page: the files that all environments were given."""
    found: Results = {}
    yield found
    if found:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + table(found) + END + rest.partition(END)[2])


def table(found: Results) -> str:
    """Markdown, an environment a row."""
    files = [(model, precision) for model in MODELS for precision in PRECISIONS]
    columns = [file for file in files if all((name, *file) in found for name in ENVIRONMENTS)]
    lines = [f"{datetime.now(UTC):%d %B %Y}, {IMAGES} images, x86-64:", ""]
    lines += ["| | " + " | ".join(f"{model.split('_')[1]} {precision}" for model, precision in columns) + " |"]
    lines += ["|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(found[name, *column] for column in columns) + " |" for name in ENVIRONMENTS]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def images(model: str) -> NDArray[np.float32]:
    return everything(None, preprocess_for(find_spec(model), bundled=True), IMAGES).first(IMAGES)


@pytest.fixture(scope="module", params=PRECISIONS)
def artefact(model: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(model)
    evit_mobile.convert(model, formats=["tflite"], precision=request.param, golden=0, out=folder)
    return folder / f"{model}.{request.param}.tflite"


@pytest.fixture(scope="module")
def expected(artefact: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the installed LiteRT gives."""
    return load_runner(artefact)(images)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_another_runtime_gives_the_same(
    environment: str,
    model: str,
    artefact: Path,
    images: NDArray[np.float32],
    expected: NDArray[np.float32],
    results: Results,
) -> None:
    precision = Precision(artefact.suffixes[-2][1:])
    case = ENVIRONMENTS[environment], precision
    done = run(environment, artefact, images, load_runner(artefact))
    if isinstance(done, str):
        results[environment, model, precision] = "does not run"
        assert case in LACKS, done
        assert LACKS[case] in done
        pytest.skip(f"{environment} has no {precision}")
    level_db = sqnr_db(done, expected)
    right = level_db >= (MIN_FLOAT_DB if precision is Precision.FP32 else THRESHOLDS[precision].min_faithful_db)
    right = right and top1_agreement(done, expected) >= MIN_AGREEMENT
    cell = "equal" if np.array_equal(done, expected) else f"{level_db:.0f} dB"
    results[environment, model, precision] = cell if right else f"wrong: {cell}"
    assert right is (case not in ERRS), cell


def run(environment: str, artefact: Path, images: NDArray[np.float32], ours: LiteRTRunner) -> NDArray[np.float32] | str:
    """What the file gives in an environment; the end of its error where it does not run."""
    given, taken = artefact.with_name("images.npy"), artefact.with_name("outputs.npy")
    np.save(given, to_codes(images, ours._input))
    command = [str(FOLDER / environment / "bin" / "python"), "-I", str(SCRIPTS / f"{ENVIRONMENTS[environment]}.py")]
    command += [str(artefact), str(given), str(taken)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode != 0:
        return done.stderr[-2000:]
    return to_values(np.load(taken), ours._output)
