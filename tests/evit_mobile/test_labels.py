"""What logits are called is known or said, by one decision for all commands; a guess that the reference contradicts is warned of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import evit_mobile
from calib.datasets import ImageDataset
from calib.errors import DataError
from calib.opening import open_dataset
from calib.preprocess import Preprocess
from calib.sources.bundled import Bundled, bundled_class_names, open_bundled
from evit_mobile.commands import convert as pipeline
from evit_mobile.commands.evaluate import evaluate
from evit_mobile.errors import UsageError
from evit_mobile.images.data import everything
from evit_mobile.labels import (
    Classes,
    classes_of,
    credible_labels,
    image_notes,
    known_labels,
    manifest_classes,
    manifest_labels,
    named,
    open_images,
    open_labelled,
    order_warning,
    read_labels,
    with_labels,
)
from evit_mobile.models import build_model
from evit_mobile.record.manifest import Manifest
from evit_mobile.reference import Reference, load_reference
from evit_mobile.spec import find_spec
from tests.few_images import few_images
from tests.manifests import of_model

FASHION = bundled_class_names()
PREPROCESS = Preprocess(size=(32, 32))


def folder_name(name: str) -> str:
    return name.replace("/", "-")


def photos(folder: Path, classes: Sequence[int], call: Callable[[int], str], each: int = 4) -> Path:
    """A folder per class with images of the bundled test set."""
    test = open_bundled(Bundled.TEST)
    assert test.labels is not None
    for label in classes:
        place = folder / call(label)
        place.mkdir(parents=True)
        for index in np.flatnonzero(test.labels == label)[:each]:
            Image.fromarray(test.item(int(index))).save(place / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def m0() -> Reference:
    """The bundled model as a user's own, without names."""
    return replace(load_reference(None, size=(64, 64)), weights="file", labels=(), labels_stated_by=None)


def labels_of(dataset: ImageDataset | None) -> list[int] | None:
    assert dataset is not None
    return None if dataset.labels is None else dataset.labels.tolist()


# Names that are known


def test_three_of_ten_classes_in_any_order_keep_their_indices(tmp_path: Path) -> None:
    source = photos(tmp_path, [9, 5, 7], lambda label: folder_name(FASHION[label]))
    reference, dataset = open_images(load_reference(None), source)
    assert labels_of(dataset) == [9] * 4 + [5] * 4 + [7] * 4
    assert (reference.labels, reference.labels_stated_by) == (FASHION, "the bundled weights")
    assert dataset is not None
    assert dataset.notes == ()


def test_an_unknown_folder_is_refused_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = photos(tmp_path / "photos", [5], lambda _: "Spaceship")
    monkeypatch.setattr(pipeline, "prepare", None)
    with pytest.raises(DataError, match=r"'Spaceship'.*T-shirt/top, Trouser.*Ankle boot"):
        evit_mobile.convert(calib=source, formats=["tflite"], precision="fp32", out=tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", "a\nb \r\n\u00fc\n\n"),
        ("labels.txt", "\ufeffa\nb\n\u00fc"),
        ("labels.json", '["a", "b", "\u00fc"]'),
        ("labels.json", '{"0": "a", "2": "\u00fc", "1": "b"}'),
        ("labels.json", '{"\u00fc": 2, "a": 0, "b": 1}'),
        ("config.json", '{"id2label": {"0": "a", "1": "b", "2": "\u00fc"}, "labels": 3}'),
    ],
)
def test_a_file_of_names(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    assert read_labels(tmp_path / name) == ("a", "b", "\u00fc")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("labels.txt", b""),
        ("labels.txt", b"a\n\nb"),
        ("labels.txt", b"\xff\xfe\xff"),
        ("labels.json", b"{"),
        ("labels.json", b'{"names": 3}'),
        ("labels.json", b"[]"),
        ("labels.txt", b"0,ant\n1,bee\n2,cat"),
        ("labels.txt", b"0 ant\n1 bee"),
        ("labels.txt", b"2: cat\n1: bee\n3: ant"),
        ("labels.csv", b"name,index\nant,1\nbee,0"),
    ],
)
def test_what_is_no_file_of_names_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"--labels .*{name}"):
        read_labels(tmp_path / name)
    with pytest.raises(UsageError, match=r"--labels .*nowhere"):
        read_labels(tmp_path / "nowhere.txt")


@pytest.mark.parametrize("names", [("1 star", "2 stars"), ("kind 0", "kind 1"), ("0", "1"), ("7 of 9", "8 of 9")])
def test_numbers_may_be_parts_of_names(names: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(names))
    assert read_labels(tmp_path / "labels.txt") == names


def test_the_option_goes_before_the_weights(m0: Reference, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(f"class{index}" for index in range(10)))
    stated = replace(m0, labels=FASHION, labels_stated_by="class_to_idx in the checkpoint")
    assert with_labels(stated, None).labels == FASHION
    given = with_labels(stated, tmp_path / "names.txt")
    assert (given.labels[9], given.labels_stated_by) == ("class9", "--labels names.txt")


def test_names_that_the_option_contradicts_are_told(m0: Reference, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join(sorted(FASHION)))
    stated = replace(m0, labels=FASHION, labels_stated_by="class_to_idx in the checkpoint")
    (note,) = set(with_labels(stated, tmp_path / "names.txt").notes) - set(m0.notes)
    assert note.startswith("class names: --labels names.txt is used; class_to_idx in the checkpoint says T-shirt/top, ")
    (tmp_path / "names.txt").write_text("\n".join(FASHION))
    assert with_labels(stated, tmp_path / "names.txt").notes == m0.notes


def test_names_of_a_checkpoint_reach_the_reference(tmp_path: Path) -> None:
    module = build_model(find_spec("efficientvit_m0", size=(64, 64), num_classes=3))
    class_to_idx = {"dog": 2, "ant": 0, "cat": 1}
    torch.save({"state_dict": module.state_dict(), "class_to_idx": class_to_idx}, tmp_path / "m0.pth")
    reference = with_labels(load_reference(None, weights=tmp_path / "m0.pth"), None)
    assert reference.labels == ("ant", "cat", "dog")
    assert reference.labels_stated_by == "class_to_idx in the checkpoint"


def test_more_or_fewer_names_than_classes_are_refused(m0: Reference, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    with pytest.raises(UsageError, match=r"3 names of classes \(--labels names.txt\) for a model of 10 classes"):
        with_labels(m0, tmp_path / "names.txt")
    with pytest.raises(UsageError, match=r"9 names of classes \(class_to_idx in the checkpoint\)"):
        with_labels(replace(m0, labels=FASHION[:9], labels_stated_by="class_to_idx in the checkpoint"), None)


def test_a_manifest_keeps_the_names_and_who_stated_them(m0: Reference) -> None:
    stated = replace(m0, labels=FASHION, labels_stated_by="--labels names.txt")
    names, negative = manifest_labels(stated)
    manifest = replace(
        of_model(num_classes=10), labels=names, negative_label=negative, labels_stated_by=stated.labels_stated_by
    )
    assert manifest_classes(Manifest.from_json(manifest.to_json())) == classes_of(stated)
    first_release = replace(of_model(num_classes=2), labels=("a", "b"))
    assert manifest_classes(first_release) == Classes(logits=2, names=("a", "b"), stated_by="the manifest")


# Names that are assumed


def test_an_assumed_order_is_said(m0: Reference, tmp_path: Path) -> None:
    source = photos(tmp_path, range(10), lambda label: folder_name(FASHION[label]), each=1)
    reference, dataset = open_images(m0, source)
    assert reference.labels == tuple(sorted(map(folder_name, FASHION)))
    assert dataset is not None
    assert dataset.notes == (f"class order assumed from folder names: {', '.join(reference.labels)}",)
    assert reference.labels_stated_by == "assumed from folder names"


def test_an_order_that_timm_sorts_otherwise_is_pointed_out(m0: Reference, tmp_path: Path) -> None:
    reference, dataset = open_images(m0, photos(tmp_path, range(10), lambda label: f"class{label + 1}", each=1))
    assert reference.labels[:3] == ("class1", "class10", "class2")
    assert dataset is not None
    (note,) = dataset.notes
    assert "timm would have class1, class2, class3" in note
    assert "--labels" in note


def test_an_order_of_names_in_a_list_is_said(tmp_path: Path) -> None:
    source = photos(tmp_path, [0, 1], lambda label: "ba"[label], each=1)
    images = sorted(source.rglob("*.png"))
    (tmp_path / "list.txt").write_text("\n".join(f"{image}\t{image.parent.name}" for image in images))
    dataset, classes = open_labelled(tmp_path / "list.txt", Classes(logits=2))
    assert (classes.names, classes.stated_by) == (("a", "b"), "assumed from the names in list.txt")
    assert dataset.notes == ("class order assumed from the names in list.txt: a, b",)


def test_folders_that_are_no_classes_are_unlabelled(m0: Reference, tmp_path: Path) -> None:
    reference, dataset = open_images(m0, photos(tmp_path, [0, 1], lambda label: f"day {label}"))
    assert labels_of(dataset) is None
    assert reference.labels == ()
    assert dataset is not None
    assert dataset.notes == ("2 folders are not the 10 classes of the model: the images count as unlabelled",)
    assert known_labels(reference, everything(dataset, PREPROCESS, None)) is None


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_folders_of_a_camera_are_no_classes_however_many(names: tuple[str, ...], tmp_path: Path) -> None:
    source = photos(tmp_path, [0, 1], lambda label: f"{100 + label}APPLE")
    dataset, classes = open_labelled(source, Classes(logits=2, names=names, stated_by="somebody" if names else None))
    assert (dataset.labels, classes.names) == (None, names)
    assert dataset.notes == (
        "100APPLE, 101APPLE: folders of a camera and no classes, their images count as unlabelled",
    )
    named_so, _ = open_labelled(source, Classes(logits=2, names=("101APPLE", "100APPLE"), stated_by="somebody"))
    assert labels_of(named_so) == [1] * 4 + [0] * 4


@pytest.mark.parametrize("names", [(), ("a", "b")])
def test_parts_of_a_data_set_are_no_classes(names: tuple[str, ...], tmp_path: Path) -> None:
    source = photos(tmp_path, [0, 1], lambda label: ("train", "Val")[label])
    with pytest.raises(DataError, match=r"Val/, train/, which are parts of a data set.*pass .*train"):
        open_labelled(source, Classes(logits=2, names=names, stated_by="somebody" if names else None))


def test_more_folders_than_classes_are_refused(tmp_path: Path) -> None:
    source = photos(tmp_path, [0, 1, 2], lambda label: "abc"[label], each=1)
    with pytest.raises(DataError, match=r"class folders: a, b, c .* for a model of 2 classes"):
        open_labelled(source, Classes(logits=2))
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 4, 4), np.uint8), labels=np.array([0, 3]))
    with pytest.raises(DataError, match=r"labels up to 3 .* for a model of 3 classes"):
        open_labelled(tmp_path / "d.npz", Classes(logits=3))


def test_labels_of_what_is_no_classifier_are_left_alone(tmp_path: Path) -> None:
    source = photos(tmp_path, [0, 1, 2], lambda label: "abc"[label], each=1)
    random = load_reference("efficientvit_m0", weights="random", size=(64, 64), num_classes=2)
    reference, dataset = open_images(random, source)
    assert labels_of(dataset) == [0, 1, 2]
    assert reference.labels == ()


# One logit


def test_two_folders_are_the_classes_of_one_logit(m0: Reference, tmp_path: Path) -> None:
    one = replace(m0, spec=replace(m0.spec, num_classes=1))
    reference, dataset = open_images(one, photos(tmp_path, [0, 1], lambda label: ("neg", "pos")[label]))
    assert labels_of(dataset) == [0] * 4 + [1] * 4
    names, negative = manifest_labels(reference)
    assert (names, negative) == (("pos",), "neg")
    manifest = replace(of_model(num_classes=1), labels=names, negative_label=negative)
    assert manifest_classes(manifest).names == ("neg", "pos")
    assert dataset is not None
    labels = known_labels(reference, everything(dataset, PREPROCESS, None))
    assert labels is not None
    assert labels.tolist() == labels_of(dataset)


def test_one_name_of_one_logit_is_its_positive_class() -> None:
    assert named(1, ["bag"], "somebody").names == ("not bag", "bag")


# Refusals before the work


@pytest.mark.parametrize(("classes", "message"), [(3, "0 different names for the 3 classes"), (1, "one logit")])
def test_class_output_without_names_is_refused_before_the_work(
    classes: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = build_model(find_spec("efficientvit_m0", size=(64, 64), num_classes=classes))
    torch.save(module.state_dict(), tmp_path / "m0.pth")
    source = photos(tmp_path / "photos", [0, 1], lambda label: ("neg", "pos")[label])
    monkeypatch.setattr(pipeline, "prepare", None)
    options = {"weights": tmp_path / "m0.pth", "calib": source, "formats": ["coreml"], "size": (64, 64)}
    with pytest.raises(UsageError, match=f"--class-output .*{message}"):
        evit_mobile.convert(class_output=True, out=tmp_path / "out", **options)


# A guess that the reference contradicts


GUESSED = Classes(logits=10, names=FASHION, stated_by="assumed from folder names")
TRUTH = np.repeat(np.arange(10), 25)


def answers(labels: np.ndarray, *, right: float, classes: int = 10) -> np.ndarray:
    """Logits that are right on a share of the images of every class; the other answers are drawn at random."""
    random = np.random.default_rng(2)
    drawn = np.where(random.random(len(labels)) < right, labels, random.integers(0, classes, len(labels)))
    return np.eye(classes, dtype=np.float32)[drawn]


@pytest.mark.parametrize("right", [0.0, 0.02])
def test_a_top1_near_chance_is_warned_of(right: float) -> None:
    warning = order_warning(GUESSED, TRUTH, answers(TRUTH, right=right))
    assert warning is not None
    assert "% on 250 images is no better than guessing" in warning
    assert "class order is assumed from folder names" in warning


@pytest.mark.parametrize("right", [0.2, 0.4, 0.9, 1.0])
def test_a_top1_above_chance_is_not(right: float) -> None:
    assert order_warning(GUESSED, TRUTH, answers(TRUTH, right=right)) is None


@pytest.mark.parametrize("exchanged", [(0, 1), (0, 1, 2, 3, 4, 5)])
def test_an_order_that_is_partly_right_is_warned_of(exchanged: tuple[int, ...]) -> None:
    """As that of folders by name is, where the model has Fashion-MNIST's own order."""
    order = np.arange(10)
    order[list(exchanged)] = np.roll(exchanged, 1)
    warning = order_warning(GUESSED, order[TRUTH], answers(TRUTH, right=0.95))
    assert warning is not None
    assert "with the same classes in another order" in warning


def test_predictions_of_many_classes_on_few_images_prove_no_order() -> None:
    labels = np.arange(200)
    assert order_warning(replace(GUESSED, logits=200), labels, answers(labels, right=0.5, classes=200)) is None


def test_names_that_are_stated_are_not_doubted() -> None:
    wrong = answers(TRUTH, right=0.0)
    assert order_warning(replace(GUESSED, stated_by="--labels names.txt"), TRUTH, wrong) is None
    assert order_warning(Classes(logits=10), TRUTH, wrong) is not None
    assert order_warning(GUESSED, None, wrong) is None


def test_few_images_that_are_all_right_are_not_doubted() -> None:
    labels = np.array([0, 0, 1, 1])
    assert order_warning(GUESSED, labels, answers(labels, right=1.0)) is None


def test_answering_the_commonest_class_is_no_accuracy() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    assert order_warning(GUESSED, labels, answers(np.zeros(100, np.int64), right=1.0)) is not None
    assert order_warning(GUESSED, labels, answers(labels, right=1.0)) is None


def test_one_logit_of_the_other_sign_is_warned_of() -> None:
    labels = np.repeat([0, 1], 50)
    one = Classes(logits=1, names=("neg", "pos"), stated_by="assumed from folder names")
    signs = (2.0 * labels - 1).astype(np.float32)[:, None]
    assert order_warning(one, labels, signs) is None
    assert order_warning(one, labels, -signs) is not None


def test_a_contradicted_guess_does_not_steer_a_limit(m0: Reference, tmp_path: Path) -> None:
    """--max-drop then measures agreement, as without labels."""
    source = photos(tmp_path, range(10), lambda label: folder_name(FASHION[label]))
    reference, dataset = open_images(m0, source)
    images = everything(dataset, PREPROCESS, None)
    labels = known_labels(reference, images)
    assert labels is not None
    right, wrong = np.eye(10, dtype=np.float32)[labels], np.eye(10, dtype=np.float32)[(labels + 1) % 10]
    assert credible_labels(reference, images, right) is not None
    assert credible_labels(reference, images, wrong) is None
    assert not image_notes(reference, images, right)[1:]
    assert "no better than guessing" in image_notes(reference, images, wrong)[1]


# End to end


@pytest.mark.slow
def test_a_subset_has_the_top1_of_the_same_images_in_the_full_order(tmp_path: Path) -> None:
    options = {"calib": few_images(tmp_path), "golden": 0}
    conversion = evit_mobile.convert(formats=["tflite"], precision="fp32", out=tmp_path / "out", **options)
    artefact = conversion.folder / conversion.manifest.artefacts[0].path
    subset = photos(tmp_path / "subset", [9, 5, 7], lambda label: folder_name(FASHION[label]), each=40)
    by_name = open_dataset(subset, FASHION)
    pixels = np.stack([np.asarray(by_name.item(index)) for index in range(len(by_name))])
    np.savez(tmp_path / "full_order.npz", images=pixels, labels=by_name.labels)
    in_full_order = evaluate(artefact, images=tmp_path / "full_order.npz")
    of_subset = evaluate(artefact, images=subset)
    assert of_subset.images == in_full_order.images == 120
    assert of_subset.top1 == in_full_order.top1 > 90
    assert of_subset.notes == ()
