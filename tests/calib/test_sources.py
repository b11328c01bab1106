"""Every kind of source opens as documented, and every planted fault is a DataError that names it."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calib.datasets import ArrayDataset, FileDataset, ImageDataset
from calib.errors import DataError
from calib.kept import batches
from calib.opening import open_dataset
from calib.preprocess import Preprocess

RNG = np.random.default_rng(7)
PREPROCESS = Preprocess(size=(8, 8))


def picture(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((6, 6, 3), value, np.uint8)).save(path)


def idx_bytes(values: np.ndarray) -> bytes:
    sizes = b"".join(side.to_bytes(4, "big") for side in values.shape)
    return bytes((0, 0, 8, values.ndim)) + sizes + values.tobytes()


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray | None, suffix: str = ".gz") -> Path:
    pack = gzip.compress if suffix else bytes
    path = folder / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(idx_bytes(images)))
    if labels is not None:
        (folder / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(idx_bytes(labels)))
    return path


def values(dataset: ImageDataset) -> list[int]:
    return [int(np.asarray(dataset.item(index)).flat[0]) for index in range(len(dataset))]


# Folders


def test_a_flat_folder_is_unlabelled_and_sorted(tmp_path: Path) -> None:
    for value, name in enumerate(("b.png", "a.jpg", "c.BMP")):
        picture(tmp_path / name, 10 * value)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"not looked at")
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, FileDataset)
    assert [path.name for path in dataset.paths] == ["a.jpg", "b.png", "c.BMP"]
    assert dataset.labels is None
    assert dataset.source == str(tmp_path.resolve())


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png", 1)
    picture(tmp_path / "cat" / "deep" / "2.png", 2)
    picture(tmp_path / "cat" / "3.png", 3)
    dataset = open_dataset(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.labels is not None
    assert list(zip(values(dataset), dataset.labels.tolist(), strict=True)) == [(3, 0), (2, 0), (1, 1)]


def test_given_class_names_decide_the_indices(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png")
    picture(tmp_path / "cat" / "2.png")
    dataset = open_dataset(tmp_path, class_names=["dog", "fish", "cat"])
    assert dataset.class_names == ("dog", "fish", "cat")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [2, 0]


def test_an_unknown_class_folder_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "wolf" / "1.png")
    with pytest.raises(DataError, match="'wolf'"):
        open_dataset(tmp_path, class_names=["cat", "dog"])


def test_an_empty_class_would_shift_the_others(tmp_path: Path) -> None:
    picture(tmp_path / "dog" / "1.png")
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="'cat'"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, class_names=["cat", "dog"])) == 1


def test_images_beside_classes_are_an_error(tmp_path: Path) -> None:
    picture(tmp_path / "stray.png")
    picture(tmp_path / "dog" / "1.png")
    with pytest.raises(DataError, match=r"stray\.png"):
        open_dataset(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no images") as caught:
        open_dataset(tmp_path)
    assert caught.value.exit_code == 2


def test_an_unreadable_image_is_named_when_it_is_reached(tmp_path: Path) -> None:
    picture(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"planted")
    dataset = open_dataset(tmp_path)
    with pytest.raises(DataError, match=r"2\.png"):
        list(batches(dataset, range(2), PREPROCESS, 2))


# Names of the classes


def class_folders(folder: Path, *names: str) -> Path:
    for name in names:
        picture(folder / name / "1.png")
    return folder


def labels_of(path: Path, names: list[str]) -> list[int]:
    labels = open_dataset(path, class_names=names).labels
    assert labels is not None
    return labels.tolist()


@pytest.mark.parametrize("folder", ["T-shirt-top", "T-shirt_top", "T-shirt top", "T-shirttop"])
def test_a_name_that_no_folder_can_have_is_met_by_its_spelling(folder: str, tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, folder), ["Coat", "T-shirt/top"]) == [1]


def test_unicode_names_are_met_however_the_file_system_writes_them(tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, "Ku\u0308rbis"), ["Apfel", "K\u00fcrbis"]) == [1]


def test_case_and_spaces_are_part_of_a_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'ankle boot'.*Ankle boot"):
        labels_of(class_folders(tmp_path, "ankle boot"), ["Ankle boot"])


def test_folders_called_by_numbers_are_indices_unless_these_are_names(tmp_path: Path) -> None:
    folder = class_folders(tmp_path, "00", "01", "10")
    assert labels_of(folder, [f"name {index}" for index in range(11)]) == [0, 1, 10]
    assert labels_of(folder, ["10", "01", "00"]) == [2, 1, 0]
    with pytest.raises(DataError, match=r"labels 0\.\.10"):
        labels_of(folder, ["a", "b", "c"])


def test_a_name_of_two_classes_is_refused_only_where_it_is_met(tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, "fish"), ["crane", "fish", "crane"]) == [1]
    with pytest.raises(DataError, match=r"'crane'.*2 classes"):
        labels_of(class_folders(tmp_path, "crane"), ["crane", "fish", "crane"])


def test_an_exact_name_goes_before_a_spelling(tmp_path: Path) -> None:
    assert labels_of(class_folders(tmp_path, "a-b"), ["a/b", "a-b"]) == [1]


def test_very_many_classes_are_not_all_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(1000 in all\)") as caught:
        labels_of(class_folders(tmp_path, "wolf"), [f"c{index}" for index in range(1000)])
    assert "c999" not in str(caught.value)


# Paths


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(tmp_path / "nowhere")


def test_an_unsupported_type_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(b"")
    with pytest.raises(DataError, match="unsupported type"):
        open_dataset(tmp_path / "video.mp4")


# Arrays


@pytest.mark.parametrize(
    "shape",
    [(5, 9, 7), (5, 9, 7, 1), (5, 9, 7, 3), (5, 1, 9, 7), (5, 3, 9, 7), (5, 9, 7, 4), (5, 4, 9, 7)],
    ids=["NHW", "NHW1", "NHWC", "N1HW", "NCHW", "NHW4", "N4HW"],
)
def test_npz_layouts(shape: tuple[int, ...], tmp_path: Path) -> None:
    images = RNG.integers(0, 256, shape, np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(5))
    dataset = open_dataset(tmp_path / "d.npz", class_names=list("abcde"))
    item = np.asarray(dataset.item(3))
    plain = images[3].transpose(1, 2, 0) if shape[1] in (1, 3, 4) else images[3]
    np.testing.assert_array_equal(item, plain.squeeze())
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4]


def test_float_arrays_become_the_nearest_8_bit_values(tmp_path: Path) -> None:
    exact = RNG.integers(0, 256, (4, 6, 6, 3), np.uint8)
    np.savez(tmp_path / "d.npz", x=(exact / 255).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(open_dataset(tmp_path / "d.npz").item(2)), exact[2])


def test_npy_is_unlabelled(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.full((3, 6, 6), 9, np.uint8))
    dataset = open_dataset(tmp_path / "d.npy")
    assert dataset.labels is None
    assert values(dataset) == [9, 9, 9]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((4, 6, 6), np.uint8), "labels": np.arange(3)}, "4 images but 3 labels"),
        ({"images": np.zeros((4, 6, 6), np.uint8), "labels": -np.arange(4)}, r"labels -3\.\.0"),
        ({"images": np.zeros((4, 6, 6), np.uint8), "labels": np.zeros(4)}, "float64"),
        ({"images": np.zeros((6, 6, 3), np.uint8)}, "shape"),  # one colour image, not six narrow grey ones
        ({"images": np.zeros((4, 6, 6, 2), np.uint8)}, "shape"),
        ({"images": np.zeros((4, 6, 6), np.int64)}, "int64"),
        ({"images": np.full((4, 6, 6), 2.0)}, r"2\.\.2"),
        ({"images": np.full((4, 6, 6), np.nan)}, "nan"),
        ({"images": np.zeros((0, 6, 6), np.uint8)}, "no images"),
        ({"pictures": np.zeros((4, 6, 6), np.uint8)}, "pictures"),
        ({"images": np.array([{}] * 4, dtype=object)}, "unreadable"),
    ],
)
def test_wrong_arrays_are_an_error(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "d.npz")


def test_a_nan_in_the_last_image_is_found(tmp_path: Path) -> None:
    images = np.zeros((50, 6, 6), np.float32)
    images[-1, -1, -1] = np.nan
    np.save(tmp_path / "d.npy", images)
    with pytest.raises(DataError, match="nan"):
        open_dataset(tmp_path / "d.npy")


@pytest.mark.parametrize("name", ["d.npz", "d.npy"])
def test_truncated_arrays_are_an_error(name: str, tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (10, 30, 30), np.uint8)
    if name.endswith("npz"):
        np.savez_compressed(tmp_path / name, images=images)
    else:
        np.save(tmp_path / name, images)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="unreadable"):
        open_dataset(tmp_path / name)


@pytest.mark.parametrize(("name", "other"), [("d.npz", "npy"), ("d.npy", "npz")])
def test_arrays_under_the_wrong_name_are_an_error(name: str, other: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    (np.save if other == "npy" else np.savez)(buffer, np.zeros((4, 6, 6), np.uint8))
    (tmp_path / name).write_bytes(buffer.getvalue())
    with pytest.raises(DataError, match="unreadable"):
        open_dataset(tmp_path / name)


# idx


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_idx_pair(suffix: str, tmp_path: Path) -> None:
    images, labels = RNG.integers(0, 256, (6, 5, 4), np.uint8), np.arange(6, dtype=np.uint8)
    dataset = open_dataset(write_idx(tmp_path, images, labels, suffix))
    np.testing.assert_array_equal(np.asarray(dataset.item(4)), images[4])
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0, 1, 2, 3, 4, 5]


def test_idx_without_labels_is_unlabelled(tmp_path: Path) -> None:
    assert open_dataset(write_idx(tmp_path, np.zeros((6, 5, 4), np.uint8), None)).labels is None


def test_idx_with_too_few_labels_is_an_error(tmp_path: Path) -> None:
    path = write_idx(tmp_path, np.zeros((6, 5, 4), np.uint8), np.zeros(5, np.uint8))
    with pytest.raises(DataError, match="6 images but 5 labels"):
        open_dataset(path)


@pytest.mark.parametrize("kept", [0, 3, 30, -4])
def test_truncated_gz_is_an_error(kept: int, tmp_path: Path) -> None:
    path = write_idx(tmp_path, RNG.integers(0, 256, (6, 50, 40), np.uint8), None)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="unreadable idx file"):
        open_dataset(path)


@pytest.mark.parametrize(
    "content",
    [
        idx_bytes(np.zeros((2, 3, 4), np.uint8))[:-1],
        idx_bytes(np.zeros((2, 3, 4), np.uint8)) + b"x",
        idx_bytes(np.zeros(24, np.uint8)),
        b"\0\0\x0d\x03" + bytes(100),
        b"\0\0\x08\x03\0\0",
    ],
    ids=["short", "long", "labels", "floats", "header"],
)
def test_wrong_idx_is_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "images.idx").write_bytes(content)
    with pytest.raises(DataError, match="unreadable idx file"):
        open_dataset(tmp_path / "images.idx")


# List files


def test_a_plain_list_is_unlabelled(tmp_path: Path) -> None:
    picture(tmp_path / "sub" / "a b.png", 5)
    picture(tmp_path / "c.png", 6)
    (tmp_path / "list.txt").write_text(f"# comment\n\nsub/a b.png\n{tmp_path / 'c.png'}\n")
    dataset = open_dataset(tmp_path / "list.txt")
    assert dataset.labels is None
    assert values(dataset) == [5, 6]


def test_integer_labels_are_class_indices(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.tsv").write_text("a.png\t7\na.png\t10\n")
    dataset = open_dataset(tmp_path / "list.tsv")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [7, 10]
    assert dataset.class_names is None


@pytest.mark.parametrize(("given_names", "expected"), [(None, [1, 0]), (["dog", "ox", "cat"], [0, 2])])
def test_class_names_in_a_list(given_names: list[str] | None, expected: list[int], tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png\tdog\na.png\tcat\n")
    dataset = open_dataset(tmp_path / "list.txt", class_names=given_names)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == expected
    assert dataset.class_names == (("cat", "dog") if given_names is None else tuple(given_names))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a.png\nmissing.png\n", "line 2 naming missing.png"),
        (b"a.png\t1\na.png\n", "line 2 without a label"),
        (b"a.png\twolf\n", "'wolf'"),
        (b"a.png\t9\n", r"labels 9\.\.9"),
        (b"# nothing\n", "no images"),
        (b"\xff\xfe\x00", "unreadable list"),
    ],
)
def test_wrong_lists_are_an_error(content: bytes, message: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "list.txt", class_names=["cat", "dog"])


# Parquet


def test_parquet_without_pyarrow_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "d.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"pip install evit-mobile\[parquet\]"):
        open_dataset(tmp_path / "d.parquet")


def png_bytes(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 6), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(path: Path, columns: Mapping[str, Sequence[object]], metadata: dict[str, str] | None = None) -> Path:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is optional")
    arrow = pytest.importorskip("pyarrow")
    parquet.write_table(arrow.table(columns).replace_schema_metadata(metadata), path)
    return path


def test_parquet_with_structs_and_labels(tmp_path: Path) -> None:
    images = [{"bytes": png_bytes(value), "path": None} for value in (3, 4)]
    dataset = open_dataset(write_parquet(tmp_path / "d.parquet", {"image": images, "label": [1, 0]}))
    assert values(dataset) == [3, 4]
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [1, 0]


def test_parquet_labels_by_name(tmp_path: Path) -> None:
    images = [{"bytes": png_bytes(value)} for value in (3, 4)]
    named = write_parquet(tmp_path / "named.parquet", {"image": images, "label": ["dog", "cat"]})
    assert labels_of(named, ["cat", "ox", "dog"]) == [2, 0]
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    declared = write_parquet(tmp_path / "declared.parquet", {"image": images, "label": [1, 0]}, metadata)
    assert labels_of(declared, ["cat", "ox", "dog"]) == [2, 0]
    assert open_dataset(declared).class_names == ("cat", "dog")
    with pytest.raises(DataError, match="'dog'"):
        open_dataset(declared, class_names=["cat", "ox"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"picture": [b""]}, "columns picture"),
        ({"image": [None]}, "row 0"),
        ({"image": [b""], "label": ["cat"]}, "not all integers"),
    ],
)
def test_wrong_parquet_is_an_error(columns: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_dataset(write_parquet(tmp_path / "d.parquet", columns))


def test_damaged_parquet_is_an_error(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"image": [png_bytes(1)]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="unreadable file"):
        open_dataset(path)


def test_an_unreadable_parquet_row_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"image": [png_bytes(1), b"planted"]})
    with pytest.raises(DataError, match="row 1 of"):
        open_dataset(path).item(1)


# All


def test_batches_keep_order_and_come_short_at_the_end() -> None:
    images = RNG.integers(0, 256, (7, 9, 9), np.uint8)
    dataset = ArrayDataset(source="memory", images=images)
    order = [6, 0, 3, 3, 5]
    got = list(batches(dataset, order, PREPROCESS, 2))
    assert [len(batch) for batch in got] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(got), np.stack([PREPROCESS(images[index]) for index in order]))


def test_digests_see_one_value_one_label_and_the_order(tmp_path: Path) -> None:
    images, labels = RNG.integers(0, 256, (4, 6, 6), np.uint8), np.arange(4)
    changed = images.copy()
    changed[2, 3, 3] ^= 1

    def digest(pixels: np.ndarray, classes: np.ndarray | None) -> str:
        return ArrayDataset(source="memory", images=pixels, labels=classes).digest()

    digests = [
        digest(images, labels),
        digest(changed, labels),
        digest(images, labels[::-1]),
        digest(images[::-1], labels),
        digest(images, None),
        digest(images.reshape(4, 4, 9), labels),
    ]
    assert len(set(digests)) == len(digests)
    assert digest(images.copy(), labels.copy()) == digests[0]
    picture(tmp_path / "a" / "1.png", 1)
    picture(tmp_path / "b" / "1.png", 2)
    assert open_dataset(tmp_path / "a").digest() != open_dataset(tmp_path / "b").digest()
