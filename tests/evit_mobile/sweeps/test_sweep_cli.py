"""`evit_mobile.sweep` as its page calls it."""

from __future__ import annotations

from pathlib import Path


def test_the_functions_are_called_as_the_page_says(tmp_path: Path) -> None:
    """No part of the package has the name of a function of it, which importing that part would hide."""
    import evit_mobile

    plan = {"models": ["efficientvit_m0"], "formats": ["tflite"]}
    for _ in range(2):
        assert not evit_mobile.sweep(plan, out=tmp_path, dry_run=True).proven
    parts = {path.name.removesuffix(".py") for path in Path(evit_mobile.__file__).parent.iterdir()}
    assert not parts & set(evit_mobile.__all__)
