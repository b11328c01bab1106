"""The data inside the package: whole, as published, balanced, disjoint, and readable from an installed package."""

from __future__ import annotations

import gzip
import hashlib
import sys
import zipfile
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from calib.datasets import ArrayDataset
from calib.errors import DataError
from calib.images import content_digest
from calib.opening import open_dataset
from calib.sources.bundled import Bundled, bundled_class_names, open_bundled
from calib.splits import select_calibration, select_held_out

ROOT = Path(__file__).resolve().parents[3]
DIGESTS = {
    Bundled.TEST: "5e0387c732fdf868eff0ea74c48bda08c3ef37da7bd65d3f4ccf3c21855416e7",
    Bundled.CALIBRATION: "b011a3b5bfff0213d677b8dba93b7144fad280eefb072392f56573b0a049f721",
}
PUBLISHED_MD5 = {  # the table in the data set's own README
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


PUBLISHED_AT = 1504176627
"""Time stamp (2017-08-31) in the published files' gzip headers; Debian's packaging drops it, and the name."""


@pytest.mark.parametrize("name", PUBLISHED_MD5)
def test_the_test_set_is_the_published_file(name: str) -> None:
    """With time stamp and name put back into the gzip header, the bytes have the published MD5."""
    content = files("calib").joinpath("data", name).read_bytes()
    header = content[:3] + b"\x08" + PUBLISHED_AT.to_bytes(4, "little") + content[8:10]
    published = header + name.removesuffix(".gz").encode() + b"\0" + content[10:]
    assert hashlib.md5(published).hexdigest() == PUBLISHED_MD5[name]


@pytest.mark.parametrize(("which", "count"), [(Bundled.TEST, 10_000), (Bundled.CALIBRATION, 1_024)])
def test_counts_labels_and_pinned_content(which: Bundled, count: int) -> None:
    dataset = open_bundled(which)
    assert len(dataset) == count
    assert np.asarray(dataset.item(0)).shape == (28, 28)
    assert dataset.class_names is not None
    assert len(dataset.class_names) == 10
    assert dataset.labels is not None
    assert np.ptp(np.bincount(dataset.labels, minlength=10)) <= 1
    assert dataset.digest() == DIGESTS[which]


def test_class_names_are_in_the_published_order() -> None:
    assert bundled_class_names()[::9] == ("T-shirt/top", "Ankle boot")
    assert bundled_class_names()[6] == "Shirt"


def test_no_calibration_image_is_in_the_test_set() -> None:
    test, calibration = open_bundled(Bundled.TEST), open_bundled(Bundled.CALIBRATION)
    judged = {content_digest(test.item(index)) for index in range(len(test))}
    used = {content_digest(calibration.item(index)) for index in range(len(calibration))}
    assert len(used) == 1_024
    assert not used & judged


def test_the_whole_sample_can_calibrate_and_the_whole_test_set_judge() -> None:
    calibrating = select_calibration(open_bundled(Bundled.CALIBRATION), 1_024)
    assert len(calibrating) == 1_024
    assert len(select_held_out(open_bundled(Bundled.TEST), calibrating, 256)) == 256


def test_the_package_reads_its_data_from_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may take the data for files beside the source: here the package lives in a zip file."""
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in (ROOT / "calib").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT))
    ours = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "calib"}
    for name in ours:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "packed.zip"))
    try:
        bundled = import_module("calib.sources.bundled")
        assert "packed.zip" in str(bundled.__file__)
        assert len(bundled.open_bundled(bundled.Bundled.CALIBRATION)) == 1_024
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "calib"]:
            del sys.modules[name]
        sys.modules.update(ours)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "training"))
    return import_module("make_calibration_sample")


def numbered(numbers: range, classes: int) -> ArrayDataset:
    images = np.stack([np.full((4, 4), number, np.uint8) for number in numbers])
    labels = np.array([number % classes for number in numbers], np.int64)
    return ArrayDataset(source=f"{numbers}", images=images, labels=labels)


def test_the_sample_script_balances_and_leaves_test_images_out(script: object) -> None:
    images, labels = script.choose(numbered(range(100), 4), numbered(range(50, 150), 4), 40)  # type: ignore[attr-defined]
    assert images.max() < 50
    assert np.bincount(labels).tolist() == [10, 10, 10, 10]
    with pytest.raises(DataError, match="50 usable"):
        script.choose(numbered(range(100), 4), numbered(range(50, 150), 4), 51)  # type: ignore[attr-defined]


def test_the_sample_script_sees_a_change(script: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "TARGET", tmp_path)
    content = script.encode_idx(np.zeros((3, 4, 5), np.uint8))  # type: ignore[attr-defined]
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    assert script.differing({"a.gz": content}) == []  # type: ignore[attr-defined]
    assert script.differing({"a.gz": content + b"x", "b.gz": b""}) == ["a.gz", "b.gz"]  # type: ignore[attr-defined]
    (tmp_path / "a.idx").write_bytes(content)
    assert len(open_dataset(tmp_path / "a.idx")) == 3
