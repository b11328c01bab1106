"""The path of a module inside the names of a program."""

from __future__ import annotations

import pytest

from converters.coreml.names import module_path, operation_name


@pytest.mark.parametrize("module", ["", "stages.0.blocks.1", "0.m", "qkv_proj"])
def test_names_keep_the_module_path(module: str) -> None:
    name = operation_name(module, "conv2d_3")
    assert "." not in name
    assert module_path(f"op_{name}" if name[0].isdigit() else name) == module


def test_a_node_of_the_top_has_no_module() -> None:
    assert operation_name("", "conv2d_3") == "conv2d_3"
    assert operation_name("stages.0.dw0", "conv2d_3") == "stages__0__dw0__conv2d_3"
    assert module_path("conv2d_3") == ""


def test_the_prefix_of_coremltools_goes_only_where_it_put_it() -> None:
    """Before a digit: a module that is called op_ keeps its name."""
    assert module_path("op_0__m__relu") == "0.m"
    assert module_path("op_block__relu") == "op_block"
