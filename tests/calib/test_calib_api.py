"""The package's surface: lazy and complete."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import calib

SOURCE = Path(calib.__file__).read_text("utf-8")
HEAVY = ("torch", "PIL", "numpy", "pyarrow")


def test_every_exported_name_exists() -> None:
    for name in calib.__all__:
        assert getattr(calib, name).__name__ == name
    assert dir(calib) == calib.__all__


def test_type_checkers_see_the_same_names() -> None:
    """The imports under TYPE_CHECKING and the table of lazy names must say the same."""
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    assert seen == calib._HOMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Preproces'"):
        _ = calib.Preproces


def imported_by(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    root = Path(calib.__file__).resolve().parents[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize("statement", ["import calib", "from calib import DataError"])
def test_importing_the_package_imports_nothing_heavy(statement: str) -> None:
    assert not imported_by(statement) & set(HEAVY)


def test_images_and_observers_need_no_torch() -> None:
    modules = imported_by("from calib import batches, make_observer, open_bundled, select")
    assert "numpy" in modules
    assert "torch" not in modules
