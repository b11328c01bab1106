"""docs/quick-start.md, followed to the letter by somebody who has the wheel, a fine-tuned timm checkpoint and 200 photos."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIST = os.environ.get("EVIT_MOBILE_DIST")
PAGE = (ROOT / "docs" / "quick-start.md").read_text("utf-8")
COMMANDS = re.findall(r"^ {4}(evit-mobile .*)$", PAGE, re.MULTILINE)
INSTALL = re.findall(r"^ {4}(python3 -m venv .*|pip install .*)$", PAGE, re.MULTILINE)
MODEL = "efficientvit_m0"
"""What examples/fine_tune.py trains; the page's names of files begin with another one."""

FINE_TUNE = """
import sys
from pathlib import Path
from tests.oracles import import_timm
import_timm()
from examples.fine_tune import main
main(Path(sys.argv[1]))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DIST is None, reason="opt-in: make test-install builds the wheel and installs it"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and model_best.pth.tar, and nothing else."""
    place = tmp_path_factory.mktemp("newcomer")
    subprocess.run([sys.executable, "-c", FINE_TUNE, place], cwd=ROOT, check=True)
    return place


def shell(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A line of the page in a shell of the environment that it had made; no file of the checkout is in sight."""
    home = {"HOME": str(place), "PATH": f"{place / 'evit' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    script = ["bash", "-c", command]
    return subprocess.run(script, cwd=place, env=home, capture_output=True, text=True, check=False)


def test_three_proven_files(place: Path) -> None:
    assert len(INSTALL) == 3
    (wheel,) = Path(str(DIST)).glob("*.whl")
    for line in INSTALL:
        done = shell(place, line.replace("'evit-mobile[all]'", shlex.quote(f"{wheel}[all]")))
        assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in COMMANDS] == ["convert", "report", "inspect", "evaluate"]
    for line in COMMANDS:
        done = shell(place, line.replace("efficientvit_b0", MODEL))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    manifest = json.loads((place / "release" / "manifest.json").read_text())
    verdicts = {entry["path"]: [one["verdict"] for one in entry["validations"]] for entry in manifest["artefacts"]}
    assert verdicts == {f"{MODEL}.int8{suffix}": ["passed"] for suffix in (".mlpackage", ".tflite", ".pte")}
    assert manifest["model"]["num_classes"] == 4
    assert manifest["artefacts"][0]["validations"][0]["top1_reference"] > 90
    assert (place / "release" / "report.html").is_file()
