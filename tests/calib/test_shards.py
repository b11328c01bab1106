"""Tars and Parquet files, read as they come: every image once, whatever the pieces."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib.errors import DataError
from calib.images import content_digest
from calib.shards import Shards, is_sharded, open_shards


def png(value: int) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(held, "png")
    return held.getvalue()


def write_tar(path: Path, values: range, *, label: str | None = None) -> None:
    with tarfile.open(path, "w") as tar:
        for value in values:
            for suffix, content in (("png", png(value)), ("cls", (label or str(value % 3)).encode()), ("json", b"{}")):
                member = tarfile.TarInfo(f"part/{value:06d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def write_parquet(path: Path, values: range, names: bool = False) -> None:
    import json

    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {"image": [{"bytes": png(value), "path": None} for value in values], "label": [v % 3 for v in values]}
    )
    if names:
        info = {"info": {"features": {"label": {"names": ["c", "b", "a"]}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    parquet.write_table(table, path)


@pytest.fixture(params=["tar", "parquet", "one tar"])
def shards(request: pytest.FixtureRequest, tmp_path: Path) -> Shards:
    if request.param == "one tar":
        write_tar(tmp_path / "all.tar", range(20))
        return open_shards(str(tmp_path / "all.tar"))
    for number in range(3):
        values = range(7 * number, min(20, 7 * number + 7))
        write = write_tar if request.param == "tar" else write_parquet
        write(tmp_path / f"{number:03d}.{request.param}", values)
    return open_shards(str(tmp_path))


@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_pieces_are_all_images_once(shards: Shards, of: int) -> None:
    found = [(content_digest(picture), label) for piece in range(of) for picture, label in shards.samples(piece, of)]
    whole = [(content_digest(picture), label) for picture, label in shards.samples()]
    assert len(whole) == len(set(whole)) == 20
    assert sorted(found) == sorted(whole)
    assert {label for _, label in whole} == {0, 1, 2}


def test_patterns_and_urls(tmp_path: Path) -> None:
    for number in range(3):
        write_tar(tmp_path / f"a-{number:03d}.tar", range(number, number + 1))
    assert len(open_shards(f"{tmp_path}/a-{{000..002}}.tar").files) == 3
    assert len(open_shards(f"{tmp_path}/a-*.tar").files) == 3
    assert len(list(open_shards(f"file://{tmp_path}/a-001.tar").samples())) == 1
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/held/b.tar", (tmp_path / "a-002.tar").read_bytes())
    ((_, label),) = list(open_shards("memory://held/b.tar").samples())
    assert label == 2


def test_what_is_sharded(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", range(1))
    assert is_sharded(str(tmp_path))
    assert is_sharded("s3://bucket/a.parquet")
    assert not is_sharded(str(tmp_path / "a.parquet"))  # one file of this machine is opened as a data set
    (tmp_path / "photos").mkdir()
    assert not is_sharded(str(tmp_path / "photos"))


def test_classes_by_name_are_the_models(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", range(3), names=True)
    write_tar(tmp_path / "b.tar", range(1), label="b")
    names = ("a", "b", "c")
    assert [label for _, label in open_shards(f"{tmp_path}/*.parquet", names).samples()] == [2, 1, 0]
    assert [label for _, label in open_shards(f"{tmp_path}/*.parquet").samples()] == [0, 1, 2]
    assert [label for _, label in open_shards(f"{tmp_path}/b.tar", names).samples()] == [1]
    with pytest.raises(DataError, match="no names"):
        list(open_shards(f"{tmp_path}/b.tar").samples())


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.tar").write_bytes(b"no tar")
    write_tar(tmp_path / "good.tar", range(2))
    cut = (tmp_path / "good.tar").read_bytes()[:1700]
    (tmp_path / "half.tar").write_bytes(cut)
    with tarfile.open(tmp_path / "unlabelled.tar", "w") as tar:
        member = tarfile.TarInfo("a.png")
        member.size = len(png(1))
        tar.addfile(member, io.BytesIO(png(1)))
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    for name in ("cut.tar", "half.tar", "unlabelled.tar"):
        with pytest.raises(DataError, match=name):
            list(open_shards(str(tmp_path / name)).samples())
    with pytest.raises(DataError, match=r"cut\.parquet"):
        list(open_shards(f"{tmp_path}/*.parquet").samples())
    for source in (str(tmp_path / "absent.tar"), f"{tmp_path}/a-{{0..1}}.tar", f"{tmp_path}/*.zip", str(tmp_path)):
        with pytest.raises(DataError):
            open_shards(source)
