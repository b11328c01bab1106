"""A folder as bytes, as executorch itself writes and reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.errors import ArtefactError
from converters.executorch.delegates.coreml import PACKAGE, ROOT
from converters.executorch.delegates.folder import flatten, unflatten
from converters.files import sha256


def test_executorch_reads_our_folders_and_writes_the_same(tmp_path: Path) -> None:
    from executorch.backends.apple.coreml import executorchcoreml

    root = tmp_path / ROOT
    (root / PACKAGE / "Data").mkdir(parents=True)
    (root / PACKAGE / "Data" / "weights").write_bytes(bytes(range(256)))
    assert flatten(root) == executorchcoreml.flatten_directory_contents(str(root))
    (root / "metadata.json").write_text("{}")
    (root / PACKAGE / "empty").write_bytes(b"")
    for folder in ("copy", "other"):
        (tmp_path / folder).mkdir()
    unflatten(flatten(root), tmp_path / "copy")
    assert sha256(tmp_path / "copy" / ROOT) == sha256(root)
    with pytest.raises(ArtefactError, match="unpacked"):
        unflatten(flatten(root)[:-9], tmp_path / "other")
