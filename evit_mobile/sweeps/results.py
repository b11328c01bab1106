"""results.parquet: all finished cells in one table, a row for each file and judge."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

from converters.errors import ToolchainError
from evit_mobile.strict_json import plain
from evit_mobile.sweeps.records import CellRecord, Row, read_record
from evit_mobile.sweeps.store import Store

NAME = "results.parquet"
ROWS_AT_ONCE = 200


def records(store: Store, names: Sequence[str] | None = None) -> Iterator[CellRecord]:
    """Records of the finished cells called `names`, or of all. Raises ArtefactError for a damaged one."""
    wanted = store.names("done") if names is None else names
    files = [f"done/{name}.json" for name in wanted]
    for content in store.read_all(files):
        yield read_record(CellRecord, content, "a record of done/")


def require_pyarrow() -> None:
    """Raises ToolchainError where no table can be written."""
    try:
        import pyarrow.parquet  # noqa: F401  # to see whether it is there
    except ImportError:
        raise ToolchainError(
            got="a sweep, and no pyarrow to write its table",
            allowed="sweeps where pyarrow is installed",
            do="pip install 'evit-mobile[sweep]'",
        ) from None


def write_results(store: Store) -> None:
    """Writes the table of all finished cells, whole or not at all; no table where none is finished."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in COLUMNS.items()])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        found, rows = table_rows(store), 0
        with parquet.ParquetWriter(path, schema) as writer:
            while some := list(islice(found, ROWS_AT_ONCE)):
                writer.write_table(pyarrow.Table.from_pylist(some, schema=schema))
                rows += len(some)
        if rows:
            store.write(NAME, path.read_bytes())


def table_rows(store: Store) -> Iterator[dict[str, Any]]:
    """A finished cell's facts with each of its rows."""
    for record in records(store):
        facts = {
            "cell": record.name,
            "digest": record.digest,
            "version": record.version,
            "model": record.model,
            "params": record.params,
            "macs": record.macs,
            "height": record.size[0],
            "width": record.size[1],
            "precision": str(record.precision),
            "format": record.format,
            "weights": record.request["weights"],
            "host": record.host,
            "seconds": record.seconds,
            "peak_bytes": record.peak_bytes,
        }
        for row in record.rows:
            yield facts | plain(row)


FACTS = {
    "cell": "string",
    "digest": "string",
    "version": "string",
    "model": "string",
    "params": "int64",
    "macs": "int64",
    "height": "int64",
    "width": "int64",
    "precision": "string",
    "format": "string",
    "weights": "string",
    "host": "string",
    "seconds": "float64",
    "peak_bytes": "int64",
}
KINDS = {"int": "int64", "float": "float64", "str": "string", "Verdict": "string"}
COLUMNS = FACTS | {one.name: KINDS[str(one.type).removesuffix(" | None")] for one in fields(Row)}
"""Of the table, with their types: a cell's own, then those of `Row`."""
