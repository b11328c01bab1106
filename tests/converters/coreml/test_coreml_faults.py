"""Planted faults: none passes, none ends in a traceback.

FAULTS are what a converter's bug would write: the package is judged by what it computes, as `convert` does, and no digest
helps. DAMAGES (of test_package) can only happen to a written file: the command line answers with exit code 2.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from converters.contract import Precision
from converters.coreml import package, runtime
from converters.errors import ConverterError
from converters.files import sha256
from converters.quantized_program import quantize_program
from evit_mobile import cli
from evit_mobile.findings import Verdict
from evit_mobile.validation.verdict import Terms, judge
from tests.converters.coreml.coreml_programs import Attention, FeedForward, Head, export, plan, seeded, write
from tests.converters.coreml.test_package import DAMAGES

IMAGES = torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(0))
PRECISIONS = (Precision.FP16, Precision.INT8_PALETTE6)
WIDTH, TOKENS = 48, 64


class Everything(nn.Module):
    """Every kind of operation that the variants have, (1, 3, 16, 16) -> (1, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, stride=2, padding=1)
        self.feed_forward = FeedForward(WIDTH)
        self.attention = Attention(WIDTH, 8, TOKENS)
        self.mix = nn.Conv2d(2 * WIDTH, WIDTH, 1)
        self.head = Head(WIDTH)
        for layer in (module for module in self.modules() if isinstance(module, nn.Conv2d)):
            layer.weight.data *= 1.5 * torch.exp(torch.randn(len(layer.weight), 1, 1, 1) / 2)  # channels differ

    def forward(self, x: Tensor) -> Tensor:
        x = self.feed_forward(F.hardswish(self.stem(x)))
        shifted = F.pad(x, (1, 0, 0, 0))[..., :-1]
        x = F.hardswish(x + self.mix(torch.cat([self.attention(x), shifted], 1)))
        x = x / ((x * x).mean((2, 3), keepdim=True) + 1)
        out: Tensor = self.head(x)
        return out


class Written:
    """A package, taken apart for changes. `save` puts it together again, its headers and its manifest in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.specification = package.read(path).specification
        (self.block,) = self.specification.mlProgram.functions["main"].block_specializations.values()
        self.weights = bytearray((path / "Data" / package.WEIGHTS / "weight.bin").read_bytes())

    def save(self) -> None:
        (self.path / "Data" / package.MODEL).write_bytes(self.specification.SerializeToString())
        (self.path / "Data" / package.WEIGHTS / "weight.bin").write_bytes(self.weights)

    def operations(self, kind: str) -> list[Any]:
        return [operation for operation in self.block.operations if operation.type == kind]

    def operation(self, kind: str, module: str = "") -> Any:
        """The first of its kind in `module`."""
        return next(one for one in self.operations(kind) if module in named(one))

    def value(self, operation: Any, key: str) -> Any:
        """The protobuf of an input's constant, which others may share: `own` it before a change."""
        (argument,) = operation.inputs[key].arguments
        if argument.WhichOneof("binding") == "value":
            return argument.value
        (producer,) = (one for one in self.block.operations if one.outputs[0].name == argument.name)
        return producer.attributes["val"]

    def own(self, operation: Any, key: str) -> Any:
        """A copy of an input's constant that no other operation takes."""
        (argument,) = operation.inputs[key].arguments
        (producer,) = (one for one in self.block.operations if one.outputs[0].name == argument.name)
        position = list(self.block.operations).index(producer)
        self.block.operations.insert(position, producer)
        copy = self.block.operations[position]
        argument.name = copy.outputs[0].name = f"fault_{key}"
        copy.attributes["name"].immediateValue.tensor.strings.values[0] = argument.name
        return copy.attributes["val"].immediateValue.tensor

    def stored(self, operation: Any, key: str, dtype: type = np.float16) -> np.ndarray:
        """The numbers of an input in the weight file, (N,): changing them changes the file."""
        offset = self.value(operation, key).blobFileValue.offset
        _, _, size, start = package.BLOB_HEADER.unpack_from(self.weights, offset)
        return np.frombuffer(self.weights, np.uint8, size, start).view(dtype)


def named(operation: Any) -> str:
    """Its name, which says its module."""
    return str(operation.attributes["name"].immediateValue.tensor.strings.values[0])


def swap(operation: Any, first: str, second: str) -> None:
    one, other = (operation.inputs[key].arguments[0].name for key in (first, second))
    operation.inputs[first].arguments[0].name, operation.inputs[second].arguments[0].name = other, one


def integers(written: Written, operation: Any, key: str, values: list[int]) -> None:
    written.own(operation, key).ints.values[:] = values


def flag(written: Written, operation: Any, key: str) -> None:
    tensor = written.own(operation, key)
    tensor.bools.values[0] = not tensor.bools.values[0]


def half(written: Written, operation: Any, key: str, value: float) -> None:
    written.own(operation, key).bytes.values = np.float16(value).tobytes()


def transposed(numbers: np.ndarray, size: int) -> None:
    numbers[:] = numbers.reshape(size, size).T.flatten()


def weight_bit(w: Written) -> None:
    w.stored(w.operation("conv", "stem"), "weight", np.uint16)[100] ^= 0x4000


def sign_bit(w: Written) -> None:
    w.stored(w.operation("linear", "fc2"), "weight", np.uint16)[0] ^= 0x8000


def transposed_weight(w: Written) -> None:
    transposed(w.stored(w.operation("conv", "attention__v"), "weight"), WIDTH)


def transposed_position_bias(w: Written) -> None:
    name = next(one for one in w.operations("add") if "attention" in named(one))
    transposed(w.stored(name, "y"), TOKENS)


def bias_of_another_layer(w: Written) -> None:
    w.stored(w.operation("conv", "mix"), "bias")[:] = w.stored(w.operation("conv", "attention__v"), "bias")


def bias_shifted_by_a_channel(w: Written) -> None:
    bias = w.stored(w.operation("conv", "mix"), "bias")
    bias[:] = np.roll(bias, 1)


def swapped_division(w: Written) -> None:
    swap(w.operation("real_div"), "x", "y")


def swapped_products(w: Written) -> None:
    scores, _ = w.operations("matmul")
    swap(scores, "x", "y")


def swapped_concatenation(w: Written) -> None:
    first, second = w.operation("concat").inputs["values"].arguments
    first.name, second.name = second.name, first.name


def operand_twice(w: Written) -> None:
    total = w.operation("add", "feed_forward")
    total.inputs["y"].arguments[0].name = total.inputs["x"].arguments[0].name


def wrong_source(w: Written) -> None:
    source = w.operation("conv", "feed_forward__dw").outputs[0].name
    w.operation("conv", "attention__k").inputs["x"].arguments[0].name = source


def removed_relu(w: Written) -> None:
    w.operation("relu", "feed_forward").type = "identity"


def other_operation(w: Written) -> None:
    w.operation("relu", "feed_forward").type = "sigmoid"


def unknown_operation(w: Written) -> None:
    w.operation("relu", "feed_forward").type = "softplus"


def scores_not_transposed(w: Written) -> None:
    flag(w, w.operations("matmul")[1], "transpose_y")


def later_slice(w: Written) -> None:
    integers(w, w.operation("slice_by_index"), "begin", [0, 0, 0, 1])
    integers(w, w.operation("slice_by_index"), "end", [1, WIDTH, 8, 9])


FAULTS: dict[str, tuple[Precision, Callable[[Written], None]]] = {
    "a weight's exponent bit": (Precision.FP16, weight_bit),
    "a weight's sign bit": (Precision.FP16, sign_bit),
    "a transposed weight": (Precision.FP16, transposed_weight),
    "a transposed constant": (Precision.FP16, transposed_position_bias),
    "another layer's bias": (Precision.FP16, bias_of_another_layer),
    "a bias one channel off": (Precision.FP16, bias_shifted_by_a_channel),
    "swapped operands of a division": (Precision.FP16, swapped_division),
    "swapped operands of a product": (Precision.FP16, swapped_products),
    "swapped operands of a concatenation": (Precision.FP16, swapped_concatenation),
    "one operand twice": (Precision.FP16, operand_twice),
    "another operation's input": (Precision.FP16, wrong_source),
    "an activation left out": (Precision.FP16, removed_relu),
    "another activation": (Precision.FP16, other_operation),
    "an unknown operation": (Precision.FP16, unknown_operation),
    "a transpose flag": (Precision.FP16, scores_not_transposed),
    "padding on another side": (
        Precision.FP16,
        lambda w: integers(w, w.operation("conv", "stem"), "pad", [2, 0, 1, 1]),
    ),
    "less padding": (Precision.FP16, lambda w: integers(w, w.operation("conv", "stem"), "pad", [0, 0, 0, 0])),
    "padding behind the rows": (Precision.FP16, lambda w: integers(w, w.operation("pad"), "pad", [0, 1])),
    "another stride": (Precision.FP16, lambda w: integers(w, w.operation("conv", "stem"), "strides", [1, 2])),
    "another number of groups": (Precision.FP16, lambda w: integers(w, w.operation("conv", "dw"), "groups", [1])),
    "another axis of a softmax": (Precision.FP16, lambda w: integers(w, w.operation("softmax"), "axis", [-2])),
    "another axis of a concatenation": (Precision.FP16, lambda w: integers(w, w.operation("concat"), "axis", [2])),
    "another axis of a mean": (Precision.FP16, lambda w: integers(w, w.operation("reduce_mean"), "axes", [1, 2])),
    "a slice that begins elsewhere": (Precision.FP16, later_slice),
    "another epsilon": (Precision.FP16, lambda w: half(w, w.operation("layer_norm"), "epsilon", 1.0)),
    "another slope": (Precision.FP16, lambda w: half(w, w.operation("sigmoid_hard"), "alpha", 0.2)),
}


def activation_scale(w: Written) -> None:
    half(w, w.operations("quantize")[0], "scale", 0.005)


def zero_point(w: Written) -> None:
    w.own(w.operations("quantize")[0], "zero_point").bytes.values = np.int8(-100).tobytes()


def weight_scales_in_another_order(w: Written) -> None:
    scales = w.stored(w.operations("constexpr_blockwise_shift_scale")[0], "scale")
    scales[:] = scales[::-1].copy()


def codes_of_another_sign(w: Written) -> None:
    codes = w.stored(w.operations("constexpr_blockwise_shift_scale")[0], "data", np.int8)
    codes[:] = -codes


def other_indices(w: Written) -> None:
    indices = w.stored(w.operations("constexpr_lut_to_dense")[0], "indices", np.uint8)
    indices[:] = np.roll(indices, 3)


def table_in_another_order(w: Written) -> None:
    table = w.stored(w.operations("constexpr_lut_to_dense")[0], "lut", np.int8)
    table[:] = table[::-1].copy()


def unsigned_codes(w: Written) -> None:
    w.own(w.operations("quantize")[0], "output_dtype").strings.values[0] = "uint8"


FAULTS |= {
    "an activation's scale": (Precision.INT8_PALETTE6, activation_scale),
    "a zero point": (Precision.INT8_PALETTE6, zero_point),
    "weight scales in another order": (Precision.INT8_PALETTE6, weight_scales_in_another_order),
    "weight codes of another sign": (Precision.INT8_PALETTE6, codes_of_another_sign),
    "indices of another position": (Precision.INT8_PALETTE6, other_indices),
    "a table in another order": (Precision.INT8_PALETTE6, table_in_another_order),
    "unsigned codes": (Precision.INT8_PALETTE6, unsigned_codes),
}


def other_stored_type(w: Written) -> None:
    value = w.value(w.operation("conv", "stem"), "weight")
    value.type.tensorType.dataType = 11  # FLOAT32


def other_output(w: Written) -> None:
    w.block.outputs[0] = w.operation("linear", "fc2").outputs[0].name


def misnamed_output(w: Written) -> None:
    w.specification.description.output[0].name = "scores"


def misshapen_input(w: Written) -> None:
    w.specification.mlProgram.functions["main"].inputs[0].type.tensorType.dimensions[2].constant.size = 8


def other_compute_type(w: Written) -> None:
    w.own(w.operation("cast"), "dtype").strings.values[0] = "int32"


def dangling_name(w: Written) -> None:
    w.operation("conv", "mix").inputs["x"].arguments[0].name = "nobody"


FAULTS |= {
    "a weight of another type": (Precision.FP16, other_stored_type),
    "another output": (Precision.FP16, other_output),
    "another name of the output": (Precision.FP16, misnamed_output),
    "another shape of the input": (Precision.FP16, misshapen_input),
    "computing in another type": (Precision.FP16, other_compute_type),
    "a value that nobody makes": (Precision.FP16, dangling_name),
}


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    with torch.no_grad():
        return np.asarray(seeded(Everything)(IMAGES).numpy())


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    folder = tmp_path_factory.mktemp("originals")
    program = export(seeded(Everything), IMAGES[:1])
    programs = (program, quantize_program(program, plan(program, IMAGES[:1])))
    paths = {precision: folder / f"{precision}.mlpackage" for precision in PRECISIONS}
    for (precision, path), source in zip(paths.items(), programs, strict=True):
        write(source, path, precision)
    return paths


def verdict(path: Path, precision: Precision, expected: np.ndarray) -> Verdict:
    """As `validate` gives it, the digest apart: what cannot be read or run has failed."""
    try:
        actual = runtime.load(path)(IMAGES.numpy())
    except ConverterError:
        return Verdict.FAILED
    return judge(
        [("reference", expected), ("coreml", actual)], None, runtime.runtime(), Terms(precision=precision)
    ).verdict


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_original_passes(precision: Precision, originals: dict[Precision, Path], expected: np.ndarray) -> None:
    assert verdict(originals[precision], precision, expected) is Verdict.PASSED


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_converter_fails(
    name: str, originals: dict[Precision, Path], expected: np.ndarray, tmp_path: Path
) -> None:
    precision, plant = FAULTS[name]
    path = Path(shutil.copytree(originals[precision], tmp_path / "p.mlpackage"))
    written = Written(path)
    plant(written)
    written.save()
    assert sha256(path) != sha256(originals[precision])
    assert verdict(path, precision, expected) is Verdict.FAILED


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_exit_code_2(
    name: str,
    originals: dict[Precision, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path(shutil.copytree(originals[Precision.FP16], tmp_path / "p.mlpackage"))
    DAMAGES[name][0](path)
    monkeypatch.setattr(sys, "argv", ["evit-mobile", "inspect", str(path)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert "error: got" in capsys.readouterr().err
