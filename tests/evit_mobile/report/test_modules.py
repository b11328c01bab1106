"""Operations per block of a model."""

from __future__ import annotations

from evit_mobile.report.modules import modules_table


def test_modules_of_a_block_are_counted_together() -> None:
    table = modules_table(
        {
            "": {"cast": 1},
            "stages.2.blocks.1.main.conv": {"conv2d": 1},
            "stages.2.blocks.1.context.qkv": {"conv2d": 2, "transpose": 5},
            "head": {"linear": 1},
        }
    )
    names, operations = (list(column.cells) for column in table.columns)
    assert names == ["(top)", "stages.2.blocks.1", "head"]
    assert operations == ["1 cast", "5 transpose, 3 conv2d", "1 linear"]
