"""The path of a module inside the names of a program."""

from __future__ import annotations

import pytest

from converters.coreml.names import module_path, operation_name


@pytest.mark.parametrize("module", ["", "stages.0.blocks.1", "0.m", "qkv_proj"])
def test_names_keep_the_module_path(module: str) -> None:
    name = operation_name(module, "conv2d_3")
    assert "." not in name
    assert module_path(f"op_{name}" if name[0].isdigit() else name) == module
