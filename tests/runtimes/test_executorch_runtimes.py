"""Written .pte files in other releases of ExecuTorch than the one they were proven with: the weight cache off and on.

Opt-in: `make test-runtimes`, or `scripts/runtimes/prepare.sh FOLDER` and EVIT_MOBILE_RUNTIMES=FOLDER.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import evit_mobile
from converters.executorch import weight_cache
from evit_mobile.images.data import everything, preprocess_for
from evit_mobile.spec import find_spec

FOLDER = Path(os.environ.get("EVIT_MOBILE_RUNTIMES", "missing"))
NUMPY_RUNTIME = FOLDER / "executorch-numpy-1.4.0"
NUMPY_SCRIPT = Path(__file__).parents[2] / "scripts" / "runtimes" / "executorch_numpy.py"
RELEASES = ("executorch-1.4.0", "executorch-1.5.1")
IMAGES = 20
MIN_SQNR_DB = 100.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="EVIT_MOBILE_RUNTIMES names no prepared folder"),
]


@pytest.fixture(scope="module", params=["efficientvit_m0", "efficientvit_b0"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["fp32", "fp16", "int8"])
def artefact(model: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(model)
    evit_mobile.convert(model, formats=["executorch"], precision=request.param, golden=0, out=folder)
    return folder / f"{model}.{request.param}.pte"


@pytest.fixture(scope="module")
def images(model: str, artefact: Path) -> Path:
    path = artefact.with_name("images.npy")
    np.save(path, everything(None, preprocess_for(find_spec(model), bundled=True), IMAGES).first(IMAGES))
    return path


@pytest.fixture(scope="module")
def installed(artefact: Path, images: Path) -> NDArray[np.float32]:
    """Outputs in the installed release."""
    return run(artefact, images, None)["off0"]


def run(artefact: Path, images: Path, release: Path | None) -> dict[str, NDArray[np.float32]]:
    """Outputs in a release, with the weight cache off and on."""
    outputs = artefact.with_name("outputs.npz")
    command = [sys.executable, "-P", weight_cache.__file__, str(artefact), str(images), str(outputs)]
    environment = {**os.environ, "PYTHONPATH": "" if release is None else str(release)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    with np.load(outputs) as runs:
        return dict(runs)


def sqnr_db(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    noise = np.square(actual.astype(np.float64) - expected).sum()
    return float("inf") if noise == 0 else float(10 * np.log10(np.square(expected.astype(np.float64)).sum() / noise))


@pytest.mark.parametrize("release", RELEASES)
def test_other_releases_agree_with_the_cache_off_and_on(
    release: str, artefact: Path, images: Path, installed: NDArray[np.float32]
) -> None:
    found = run(artefact, images, FOLDER / release)
    assert found["on0"].tobytes() == found["off0"].tobytes()
    assert sqnr_db(found["off0"], installed) >= MIN_SQNR_DB


def test_the_installed_release_agrees_with_the_cache_on(
    artefact: Path, images: Path, installed: NDArray[np.float32]
) -> None:
    assert run(artefact, images, None)["on0"].tobytes() == installed.tobytes()


@pytest.mark.skipif(not NUMPY_RUNTIME.is_dir(), reason="there is no Python 3.12 for executorch-numpy-runtime")
def test_the_numpy_runtime_agrees(artefact: Path, images: Path, installed: NDArray[np.float32]) -> None:
    outputs = artefact.with_name("numpy.npy")
    command = [str(NUMPY_RUNTIME / "bin" / "python"), "-I", str(NUMPY_SCRIPT), str(artefact), str(images), str(outputs)]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ""})
    assert sqnr_db(np.load(outputs), installed) >= MIN_SQNR_DB
