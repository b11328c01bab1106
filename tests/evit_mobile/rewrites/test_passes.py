"""The table of passes: one rewrite, one file, one name."""

from __future__ import annotations

from evit_mobile.rewrites.apply import HALF_PASSES, INTEGER_PASSES, PASSES


def test_a_pass_is_called_as_its_file_and_function() -> None:
    for name, rewrite in (*PASSES, *HALF_PASSES, *INTEGER_PASSES):
        assert rewrite.__module__ == f"evit_mobile.rewrites.{name}"
        assert rewrite.__name__.removeprefix("rewrite_") == name


def test_batch_norms_are_folded_first() -> None:
    assert PASSES[0][0] == INTEGER_PASSES[0][0] == "fold_batch_norm"
