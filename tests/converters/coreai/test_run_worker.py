"""The process that runs an asset, with a package in the place of Apple's: functions by name, arrays as .npy."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from converters.coreai.child import Child, ChildError
from tests.converters.coreai.stand_in import asset_of

IMAGE = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)


def stored(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.usefixtures("stand_in")
def test_functions_are_announced_and_each_answers(tmp_path: Path) -> None:
    functions = {"main": [[1, 3, 2, 2], 2], "other": [[1, 3, 4, 2], -1]}
    child = Child("run_worker", str(asset_of(tmp_path / "a.aimodel", functions=functions)))
    assert json.loads(child.ask()) == {"main": [1, 3, 2, 2], "other": [1, 3, 4, 2]}
    for name, expected in (("main", [[3, 11, 19]]), ("other", [[-1.5, -5.5, -9.5]]), ("main", [[3, 11, 19]])):
        answer = np.load(io.BytesIO(child.ask(name.encode(), stored(IMAGE))), allow_pickle=False)
        assert answer.tolist() == expected
    with pytest.raises(ChildError, match="KeyError: 'third'"):
        child.ask(b"third", stored(IMAGE))


@pytest.mark.usefixtures("stand_in")
def test_nothing_is_unpickled(tmp_path: Path) -> None:
    child = Child("run_worker", str(asset_of(tmp_path / "a.aimodel", functions={"main": [[1, 3, 2, 2], 2]})))
    child.ask()
    with pytest.raises(ChildError, match=r"ValueError: .*allow_pickle"):
        child.ask(b"main", stored(np.array([{}], dtype=object)))
