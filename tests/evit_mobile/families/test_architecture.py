"""A variant's size, classes and variation are checked where it is made; its title, task and eps follow from its fields."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evit_mobile.errors import UsageError
from evit_mobile.families.architecture import ModelSpec, Task, Variation, check_size
from evit_mobile.spec import MODELS


@pytest.mark.parametrize("size", [(32, 32), (224, 224), (192, 256)])
def test_multiples_of_32_are_sizes(size: tuple[int, int]) -> None:
    check_size(size)
    assert replace(MODELS["efficientvit_m0"], size=size).size == size


@pytest.mark.parametrize("size", [(224, 230), (31, 32), (0, 224), (224, 0), (-32, 32)])
def test_other_sizes_are_refused_as_height_by_width(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"input size {size[0]}x{size[1]}; allowed: .*multiples of 32") as refusal:
        check_size(size)
    assert "--size 224" in refusal.value.do
    with pytest.raises(UsageError, match="multiples of 32"):
        replace(MODELS["efficientvit_m0"], size=size)


@pytest.mark.parametrize("classes", [0, -1])
def test_a_model_has_at_least_one_class(classes: int) -> None:
    with pytest.raises(UsageError, match=f"{classes} classes; allowed: at least one class"):
        replace(MODELS["efficientvit_b0"], num_classes=classes)
    assert replace(MODELS["efficientvit_b0"], num_classes=1).num_classes == 1


def test_the_wrong_family_is_refused_with_the_models_that_are_allowed() -> None:
    for variation, name, allowed in (
        (Variation.RELU_ATTENTION, "efficientvit_b0", "efficientvit_m5"),
        (Variation.RELU_ACTIVATION, "efficientvit_m0", "efficientvit_l3"),
    ):
        with pytest.raises(UsageError) as raised:
            replace(MODELS[name], variation=variation)
        assert allowed in raised.value.allowed
        assert name not in raised.value.allowed
        assert f"--{variation}" in raised.value.got


@pytest.mark.parametrize(
    ("name", "variation", "output"),
    [
        ("efficientvit_m0", Variation.RELU_ATTENTION, Task.FEATURES),
        ("efficientvit_m0", Variation.RELU_ATTENTION, Task.MULTILABEL),
        ("efficientvit_seg_b0_cityscapes", Variation.RELU_ACTIVATION, None),
        ("efficientvit_l0", Variation.RELU_ACTIVATION, None),
    ],
)
def test_only_classifiers_are_varied(name: str, variation: Variation, output: Task | None) -> None:
    with pytest.raises(UsageError, match=f"--{variation} for {name}"):
        replace(MODELS[name], variation=variation, output=output)


def test_the_title_tells_a_variation_from_its_original() -> None:
    original = MODELS["efficientvit_m0"]
    assert original.title == "efficientvit_m0"
    assert replace(original, variation=Variation.RELU_ATTENTION).title == "efficientvit_m0.relu-attention"
    activation = replace(MODELS["efficientvit_b1"], variation=Variation.RELU_ACTIVATION)
    assert activation.title == "efficientvit_b1.relu-activation"


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("efficientvit_m0", Task.CLASSIFICATION),
        ("efficientvit_l0", Task.FEATURES),
        ("efficientvit_seg_b0_cityscapes", Task.SEGMENTATION),
    ],
)
def test_the_task_is_the_architectures_unless_the_output_is_read_as_another(name: str, task: Task) -> None:
    spec: ModelSpec = MODELS[name]
    assert spec.task is task
    assert replace(spec, output=Task.MULTILABEL).task is Task.MULTILABEL


def test_eps_are_changed_by_name_and_the_others_stay() -> None:
    architecture = MODELS["efficientvit_l1"].architecture
    assert architecture.eps == {"attention_eps": 1e-5, "norm_eps": 1e-7, "head_norm_eps": 1e-5}
    changed = architecture.with_eps({"norm_eps": 1})
    assert changed.eps == {"attention_eps": 1e-5, "norm_eps": 1.0, "head_norm_eps": 1e-5}
    assert type(changed.eps["norm_eps"]) is float
    assert changed.with_eps(architecture.eps) == architecture
    assert MODELS["efficientvit_m0"].architecture.eps == {}


def test_widths_are_said_in_the_order_of_the_stages() -> None:
    architecture = MODELS["efficientvit_m1"].architecture
    assert architecture.in_words()["widths"] == "128, 144, 192"
    assert (architecture.channels, architecture.embedding) == (192, 192)
