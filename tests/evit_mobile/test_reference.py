"""The reference: which weights are asked for, what may be asked of them, and random ones that are a model's."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from calib.stated.statement import Statement
from evit_mobile.errors import UsageError
from evit_mobile.findings import Likeness, Recovery
from evit_mobile.images.preprocessing import PreprocessOptions
from evit_mobile.models.surroundings import Surrounded
from evit_mobile.models.weights.template import Part
from evit_mobile.reference import (
    Reference,
    at_size,
    in_rgb,
    load_reference,
    part_of,
    random_images,
    randomise,
    weights_digest,
    with_task,
)
from evit_mobile.spec import Task, Variation, find_spec

SIZE = (64, 64)
BGR = Statement(source="a checkpoint", values={"color": "BGR"})


@pytest.fixture(scope="module")
def m0() -> Reference:
    return load_reference("efficientvit_m0", weights="random", size=SIZE, num_classes=5)


def test_live_modules_are_told_by_their_tensors() -> None:
    module = nn.Linear(3, 2)
    before = weights_digest(module)
    assert weights_digest(module) == before
    nn.init.zeros_(module.bias)
    assert weights_digest(module) != before


def test_a_resized_reference_is_the_one_loaded_at_that_size() -> None:
    size = (288, 288)  # the last stage's windows grow: its bias tables are resized
    loaded, resized = load_reference(None, size=size), at_size(load_reference(None), size)
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        assert torch.equal(resized.module(images), loaded.module(images))
    assert resized.spec == loaded.spec


def test_a_digest_is_of_names_values_and_what_is_traced() -> None:
    module = nn.Sequential(nn.Linear(2, 2))
    digests = {weights_digest(module), weights_digest(nn.ModuleDict({"a": module[0]}))}
    for traced in (torch.fx.symbolic_trace(nn.Sequential(nn.ReLU())), torch.fx.symbolic_trace(nn.Sequential())):
        digests.add(weights_digest(nn.Sequential(module[0], traced)))
    assert len(digests) == 4


def test_random_weights_are_those_of_their_seed(m0: Reference) -> None:
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    again, other = (
        load_reference("efficientvit_m0", weights="random", size=SIZE, num_classes=5, seed=seed) for seed in (0, 1)
    )
    assert torch.equal(torch.random.get_rng_state(), before)  # nobody else's numbers change
    assert weights_digest(again.module) == weights_digest(m0.module) != weights_digest(other.module)
    assert (m0.source, other.source, m0.sha256) == ("random:seed=0", "random:seed=1", None)
    assert (m0.spec.size, m0.spec.num_classes, m0.weights, m0.lineage) == (SIZE, 5, "random", "random")


def test_a_randomised_network_tells_images_apart_at_a_usual_scale(m0: Reference) -> None:
    """A fresh one of this family ends every branch in a weight of 0."""
    images = random_images(16, SIZE)
    assert images.shape == (16, 3, *SIZE)
    with torch.no_grad():
        logits = m0.module(images)
    assert not m0.module.training
    spread = float((logits - logits.mean(0)).std())
    assert spread > 0.1 * float(logits.std())
    assert 0.01 < float(logits.abs().max()) < 100
    norms = [child for child in m0.module.modules() if isinstance(child, nn.BatchNorm2d)]
    assert all(((norm.weight >= 0.2) & (norm.weight <= 0.6)).all() and norm.momentum == 0.1 for norm in norms)


def test_running_statistics_are_those_of_what_a_layer_reads() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8))
    randomise(module, (32, 32))
    torch.manual_seed(1)
    read = module[0](random_images(32, (32, 32))).detach()
    norm = module[1]
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_var, read.var((0, 2, 3)), rtol=0.6, atol=0)
    assert not torch.allclose(norm.running_var, torch.ones(8), rtol=0.2)


@pytest.mark.parametrize("model", [len, 7, ["efficientvit_m0"], {}])
def test_what_is_no_model_is_refused_by_its_kind(model: object) -> None:
    with pytest.raises(UsageError, match=f"got a {type(model).__name__} as model.*pass the module itself"):
        load_reference(model)  # type: ignore[arg-type]  # that is what is refused


def test_a_wrong_name_or_size_is_told_before_a_file_is_opened() -> None:
    with pytest.raises(UsageError, match="efficientvit_m9"):
        load_reference("efficientvit_m9", weights="nowhere.pth")
    with pytest.raises(UsageError, match="multiples of 32"):
        load_reference("efficientvit_m0", weights="nowhere.pth", size=(100, 100))
    with pytest.raises(UsageError, match="model 'efficientvit_m5' without weights"):
        load_reference("efficientvit_m5")


def test_a_spec_says_size_and_classes_unless_they_are_given() -> None:
    spec = find_spec("efficientvit_m0", size=(32, 64), num_classes=4)
    assert load_reference(spec, weights="random").spec == spec
    assert load_reference(spec, weights="random", size=SIZE).spec == replace(spec, size=SIZE)
    with pytest.raises(UsageError, match="0 classes"):
        load_reference(spec, weights="random", num_classes=0)


def test_the_first_that_is_stated_decides_on_the_order_of_colours(m0: Reference) -> None:
    rgb = Statement(source="--color", values={"color": "RGB"})
    for statements in ((), (rgb, BGR)):
        reference = replace(m0, statements=statements)
        assert in_rgb(reference) is reference
    turned = in_rgb(replace(m0, module=copy.deepcopy(m0.module), statements=(BGR, rgb)))
    image = torch.randn(1, 3, *SIZE)
    with torch.no_grad():
        torch.testing.assert_close(turned.module(image), m0.module(image.flip(1)))
    assert turned.bgr
    assert len(turned.notes) == len(m0.notes) + 1
    for other in (replace(m0.spec, grey=True), replace(m0.spec, channels=4)):
        assert not in_rgb(replace(m0, spec=other, statements=(BGR,))).bgr


def test_colours_of_a_module_with_a_forward_of_its_own_are_its_own(m0: Reference) -> None:
    around = Surrounded(nn.Identity(), m0.module, nn.Identity())
    with pytest.raises(UsageError, match=r"turn the colours in its forward, as x\[:, \[2, 1, 0\]\]"):
        in_rgb(replace(m0, module=around, statements=(BGR,)))


def test_several_labels_may_be_read_off_a_classifier_alone(m0: Reference) -> None:
    assert with_task(m0, None) is with_task(m0, Task.CLASSIFICATION) is m0
    several = with_task(m0, Task.MULTILABEL)
    assert (several.spec.task, several.module) == (Task.MULTILABEL, m0.module)
    for reference, task in ((m0, Task.SEGMENTATION), (m0, Task.FEATURES), (several, Task.CLASSIFICATION)):
        with pytest.raises(UsageError, match=f"--task {task} for efficientvit_m0, whose task is {reference.spec.task}"):
            with_task(reference, task)


def test_the_same_size_is_the_same_reference_and_another_keeps_the_weights(m0: Reference) -> None:
    assert at_size(m0, SIZE) is m0
    wide = at_size(m0, (64, 96))
    assert (wide.spec.size, wide.module.training) == ((64, 96), False)
    own = m0.module.state_dict()
    assert all(
        torch.equal(values, own[name]) for name, values in wide.module.state_dict().items() if "bias" not in name
    )
    with pytest.raises(UsageError, match="multiples of 32"):
        at_size(m0, (64, 65))


def test_how_much_of_a_network_there_is(m0: Reference) -> None:
    features = replace(m0.spec, output=Task.FEATURES)
    assert part_of(m0) is Part.WHOLE
    assert part_of(replace(m0, spec=features)) is Part.EMBEDDING
    assert part_of(replace(m0, spec=features, module=nn.Sequential())) is Part.TRUNK


def test_what_was_recovered_has_its_originals_lineage(m0: Reference) -> None:
    alike = Likeness(agreement=1.0, top1=None)
    recovery = Recovery(
        variation=Variation.RELU_ATTENTION,
        weights="bundled",
        source="x",
        sha256=None,
        labels=(),
        original_top1=None,
        before=alike,
        after=alike,
        held_out=1,
        images=("a", "b"),
        images_source="photos",
        seed=0,
        steps=(1, 1),
    )
    recovered = replace(m0, weights="file", recovery=recovery)
    assert (recovered.lineage, recovered.learned) == ("bundled", ("a", "b"))
    assert (m0.lineage, m0.learned) == ("random", ())


def test_what_is_given_beats_what_is_stated(m0: Reference) -> None:
    stated = Statement(source="a checkpoint", values={"mean": (0.1,) * 3, "std": (0.2,) * 3})
    given = PreprocessOptions(mean=(0.5,)).statements()
    decision = replace(m0, weights="file", statements=(*given, stated)).preprocessing
    assert (decision.preprocess.mean, decision.preprocess.std) == ((0.5,) * 3, (0.2,) * 3)
    assert (decision.stated_by["mean"], decision.stated_by["std"]) == ("--mean", "a checkpoint")
    assert decision.preprocess.size == SIZE


def test_a_fourth_channel_has_no_default(m0: Reference) -> None:
    statements = (Statement(source="here", values={"mean": (0.1, 0.2, 0.3, 0.4), "std": (0.5,) * 4}),)
    four = replace(m0, spec=replace(m0.spec, channels=4), weights="file", statements=statements)
    assert four.preprocessing.preprocess.mean == (0.1, 0.2, 0.3, 0.4)
    assert four.preprocessing.preprocess.color == "RGBA"
