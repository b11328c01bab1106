"""`evit-mobile models`."""

from __future__ import annotations

from evit_mobile.cli.options import JsonOption
from evit_mobile.cli.show import show


def models(json: JsonOption = False) -> None:
    """List every variant: parameters, MACs, default size, bundled weights."""
    from evit_mobile.report import tables

    show(tables.model_rows(), json, tables.models_table)
