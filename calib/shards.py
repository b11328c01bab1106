"""Labelled images that are read as they come, from WebDataset tars and Parquet files, by path or by URL: memory does not grow with them."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from calib.class_names import class_indices
from calib.errors import DataError
from calib.images import Picture, decode_image
from calib.sources.parquet import IMAGE_COLUMNS, LABEL_COLUMNS, declared_names
from calib.suffixes import readable

TAR, PARQUET = (".tar", ".tar.gz", ".tgz"), (".parquet",)
ROWS_AT_ONCE = 64
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
LABEL_SUFFIX = ".cls"
Label = int | str
Encoded = tuple[bytes, Label, str]
"""An image file's bytes, its label and its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """The files that `source` stands for, as URLs in their order. `class_names` give the order of classes that are named."""

    source: str
    files: tuple[str, ...]
    class_names: tuple[str, ...] | None = None

    def samples(self, piece: int = 0, of: int = 1) -> Iterator[tuple[Picture, int]]:
        """Images with their classes, those of one of `of` pieces, which together are all of them, each once. Raises DataError."""
        for file, part, parts in shared(self.files, piece, of):
            reader = read_tar(file) if file.endswith(TAR) else read_parquet(file, named=self.class_names is not None)
            for index, (content, label, name) in enumerate(reader):
                if index % parts == part:
                    yield decode_image(content, f"{name} of {file}"), self._class(label, file)

    def marks(self) -> list[list[str]]:
        """Each file with what tells one version of it from another: size and time, or a store's own tag."""
        from fsspec.core import url_to_fs

        return [[file, str(fs.ukey(path))] for file in self.files for fs, path in [url_to_fs(file)]]

    def _class(self, label: Label, file: str) -> int:
        if isinstance(label, int):
            return label
        if self.class_names is None:
            raise wrong(file, f"the class {label!r}, a name, and no names of the model's classes")
        return int(class_indices([label], self.class_names, what="class", source=file)[0])


def shared(files: Sequence[str], piece: int, of: int) -> Iterator[tuple[str, int, int]]:
    """The files of a piece; of a file that several pieces share, which of how many parts is its own."""
    if of <= len(files):
        yield from ((file, 0, 1) for file in files[piece::of])
        return
    own = piece % len(files)
    yield files[own], piece // len(files), len(range(own, of, len(files)))


def is_sharded(source: str) -> bool:
    """Whether images are to be read by `open_shards`: a URL, a pattern, a tar, or a folder of tars or Parquet files."""
    if "://" in source or "*" in source or RANGE.search(source) or source.lower().endswith(TAR):
        return True
    folder = Path(source).expanduser()
    return folder.is_dir() and any(path.name.lower().endswith(TAR + PARQUET) for path in folder.iterdir())


def open_shards(source: str, class_names: tuple[str, ...] | None = None) -> Shards:
    """The tars or Parquet files of a path or URL: a file, a folder of them, or several by `*` or by {000..127}. Raises DataError."""
    files = tuple(found(source))
    kinds = {file.lower().endswith(TAR) for file in files if file.lower().endswith(TAR + PARQUET)}
    if not files or len(kinds) != 1 or not all(file.lower().endswith(TAR + PARQUET) for file in files):
        raise DataError(
            got=f"{source}, where there are {len(files)} files" + (f", as {files[0]}" if files else ""),
            allowed=f"files ending in {', '.join(TAR)}, or in {PARQUET[0]}",
            do="correct the path or URL",
        )
    return Shards(source=source, files=files, class_names=class_names)


def found(source: str) -> list[str]:
    """URLs of the files that a source stands for. Raises DataError."""
    try:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(source if "://" in source else str(Path(source).expanduser()))
        if match := RANGE.search(path):
            first, last = match[1], match[2]
            numbers = (f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1))
            paths = [path[: match.start()] + number + path[match.end() :] for number in numbers]
        elif "*" in path:
            paths = sorted(fs.glob(path))
        elif fs.isdir(path):
            paths = sorted(one for one in fs.ls(path, detail=False) if one.lower().endswith(TAR + PARQUET))
        else:
            paths = [path]
        absent = next((one for one in paths if not fs.exists(one)), None)
    except ImportError as error:
        raise DataError(
            got=f"{source}, and no package that opens it ({error})",
            allowed="a path or a URL",
            do=f"pip install {error.name or 'fsspec'}",
        ) from None
    except (OSError, ValueError) as error:
        raise wrong(source, f"{type(error).__name__}: {error}") from None
    if absent:
        raise wrong(source, f"{absent}, which is not there")
    return [fs.unstrip_protocol(one) for one in paths]


def read_tar(url: str) -> Iterator[Encoded]:
    """Samples of a WebDataset: consecutive files of one name up to its first dot, an image and a .cls with the class. Raises DataError."""
    import fsspec

    key, parts = "", dict[str, bytes]()
    try:
        with fsspec.open(url, "rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                path = PurePosixPath(member.name)
                name, _, suffix = path.name.partition(".")
                if (own := f"{path.parent}/{name}") != key:
                    if parts:
                        yield sample(url, key, parts)
                    key, parts = own, {}
                content = tar.extractfile(member)
                parts[f".{suffix.lower()}"] = b"" if content is None else content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise wrong(url, f"a tar that cannot be read ({type(error).__name__}: {error})") from error
    if parts:
        yield sample(url, key, parts)


def sample(url: str, key: str, parts: dict[str, bytes]) -> Encoded:
    """The image and the class among the files of one name. Raises DataError."""
    image = next((content for suffix, content in parts.items() if suffix in readable()), None)
    label = parts.get(LABEL_SUFFIX)
    if image is None or label is None:
        raise wrong(url, f"{key} with {', '.join(parts)} and without {'a class' if image else 'an image'}")
    text = label.decode("utf-8", "replace").strip()
    return image, int(text) if text.isdecimal() else text, key


def read_parquet(url: str, *, named: bool) -> Iterator[Encoded]:
    """Rows of a Parquet file as dataset hubs write them, with the names of classes that it declares where these are wanted.

    Raises DataError.
    """
    import fsspec

    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise wrong(url, "no pyarrow to read it: pip install evit-mobile[parquet]") from None
    try:
        with fsspec.open(url, "rb") as raw:
            file = parquet.ParquetFile(raw)
            columns = file.schema_arrow.names
            image = next((name for name in IMAGE_COLUMNS if name in columns), None)
            label = next((name for name in LABEL_COLUMNS if name in columns), None)
            if image is None or label is None:
                raise wrong(url, f"columns {', '.join(columns)}")
            names = declared_names(file.schema_arrow.metadata or {}, label) if named else None
            label_of: dict[int, str] = dict(enumerate(names or ()))
            row = 0
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=[image, label]):
                for content, value in zip(batch[image].to_pylist(), batch[label].to_pylist(), strict=True):
                    encoded = content.get("bytes") if isinstance(content, dict) else content
                    if not isinstance(encoded, bytes) or not isinstance(value, int | str):
                        raise wrong(url, f"row {row} without image bytes or a class")
                    yield encoded, label_of.get(value, value) if isinstance(value, int) else value, f"row {row}"
                    row += 1
    except (ArrowException, OSError) as error:
        raise wrong(url, f"a file that cannot be read ({type(error).__name__}: {error})") from error


def wrong(url: str, what: str) -> DataError:
    return DataError(
        got=f"{what}, in {url}",
        allowed="WebDataset tars of images with a .cls each, or Parquet files of images and labels, by path or URL",
        do="correct the source",
    )
