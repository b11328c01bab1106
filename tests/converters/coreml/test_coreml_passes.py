"""Our own optimisation passes: what each changes, what it leaves alone, and that nothing but the stated rounding moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from converters.contract import Precision
from converters.coreml import package, toolchain
from converters.coreml.evaluator import Evaluator
from converters.coreml.evaluator.constants import lut_to_dense
from converters.coreml.inspect import inspect
from converters.coreml.lower import COMPUTE
from converters.coreml.names import module_path
from converters.coreml.package import INLINE
from converters.coreml.palettes import repeated_values
from converters.quantized_program import quantize_program
from tests.converters.coreml.coreml_programs import (
    Attention,
    FeedForward,
    Lambda,
    Windows,
    export,
    plan,
    seeded,
    sqnr_db,
    write,
)

X = torch.randn(1, 6, 5, 5, generator=torch.Generator().manual_seed(0))
OPERATORS: set[object] = {
    getattr(torch.ops.aten, name)
    for name in ("conv2d", "linear", "relu", "add", "matmul", "cat", "slice", "pad", "view", "flatten")
}
TAKEN: set[object] = {getattr(packet, overload) for packet in OPERATORS for overload in packet.overloads()}  # type: ignore[attr-defined]  # OpOverloadPackets


def lowered(module: nn.Module, path: Path, without: str | None = None, operators: set[object] | None = None) -> Any:
    """Operations of the int8 package of `module`, written to `path`; `without` one of our passes."""
    from converters.coreml import passes

    program = export(module, X)
    choices = plan(program, X, *([] if operators is None else [operators]))
    with pytest.MonkeyPatch.context() as patch:
        kept = tuple(each for each in passes.PASSES if each != f"converters::{without}")
        assert without is None or len(kept) == len(passes.PASSES) - 1
        patch.setattr(passes, "PASSES", kept)
        write(quantize_program(program, choices), path, Precision.INT8)
    return package.load_function(path).operations


def of_kind(operations: Any, kind: str) -> list[Any]:
    return [operation for operation in operations if operation.op_type == kind]


def codes(operations: Any) -> int:
    return len(of_kind(operations, "quantize"))


class TestFloatReaders:
    def test_what_only_a_softmax_and_products_with_it_read_stays_float(self, tmp_path: Path) -> None:
        attention = seeded(lambda: Attention(6, 4, 25))
        kept = lowered(attention, tmp_path / "kept.mlpackage", without="float_readers")
        (image,) = of_kind(lowered(attention, tmp_path / "p.mlpackage"), "quantize")
        assert codes(kept) > 4
        assert image.input.op.op_type == "cast"

    def test_what_layers_and_sums_between_them_read_stays_int8(self, tmp_path: Path) -> None:
        block = seeded(lambda: nn.Sequential(FeedForward(6), nn.Conv2d(6, 6, 1)))
        kept = lowered(block, tmp_path / "kept.mlpackage", without="float_readers")
        assert codes(lowered(block, tmp_path / "p.mlpackage")) == codes(kept) - 1  # the last layer's result: the output

    def test_a_layer_behind_a_reshape_still_reads_codes(self, tmp_path: Path) -> None:
        head = seeded(lambda: nn.Sequential(nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(100, 3)))
        assert codes(lowered(head, tmp_path / "p.mlpackage")) == 2

    def test_a_sum_with_what_a_product_of_floats_gave_is_float(self, tmp_path: Path) -> None:
        class Cascade(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.attention, self.last = nn.Conv2d(6, 6, 1), Attention(6, 4, 25), nn.Conv2d(6, 6, 1)

            def forward(self, x: Tensor) -> Tensor:
                x = self.first(x)
                return self.last(x + self.attention(x))

        written = lowered(seeded(Cascade), tmp_path / "p.mlpackage")
        (total,) = [add for add in of_kind(written, "add") if add.x.shape == (1, 6, 5, 5)]
        terms = [term.op.op_type for term in (total.x, total.y)]
        assert terms.count("dequantize") == 1
        assert [user.op_type for user in total.outputs[0].child_ops] == ["quantize"]

    @torch.no_grad()
    def test_results_come_nearer_to_those_of_floats(self, tmp_path: Path) -> None:
        attention = seeded(lambda: nn.Sequential(FeedForward(6), Attention(6, 4, 25)))
        expected = attention.eval()(X).numpy()
        paths = {without: tmp_path / f"{without}.mlpackage" for without in ("float_readers", None)}
        found = {}
        for without, path in paths.items():
            lowered(attention, path, without)
            found[without] = sqnr_db(expected, Evaluator(path)(X.numpy()))
        assert found[None] > found["float_readers"] + 1


class TestExactPasses:
    """With float32 between the int8 tensors there is no rounding that could hide a difference."""

    @pytest.mark.parametrize("name", ["integer_movement", "saturated_relu", "constant_sharing", "short_names"])
    @torch.no_grad()
    def test_results_do_not_change(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(COMPUTE, Precision.INT8, np.float32)
        block = seeded(lambda: nn.Sequential(FeedForward(6), Windows(6), nn.ReLU(), nn.Conv2d(6, 6, 1)))
        results = []
        for without in (name, None):
            path = tmp_path / f"{without}.mlpackage"
            lowered(block, path, without, TAKEN)
            results.append(Evaluator(path)(X.numpy()))
        np.testing.assert_array_equal(*results)
        assert np.unique(results[0]).size > 30


class Sliced(nn.Module):
    """Two convolutions, each of half of the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x[:, :3]) + self.second(x[:, 3:])


class TestIntegerMovement:
    def test_slices_of_codes_are_taken_of_the_codes(self, tmp_path: Path) -> None:
        module = seeded(Sliced)
        program = export(module, X)
        image = plan(program, X).activations[0]
        same = plan(program, X, TAKEN)
        slices = [node.name for node in program.graph.nodes if "slice" in node.name]
        activations = tuple(
            type(a)(tensor=a.tensor, module="", scale=image.scale, zero_point=image.zero_point)
            if a.tensor in slices
            else a
            for a in same.activations
        )
        quantized = quantize_program(program, type(same)(activations=activations, weights=same.weights, floats=()))
        write(quantized, tmp_path / "p.mlpackage", Precision.INT8)
        cut = of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "slice_by_index")
        types = toolchain.load("coremltools.converters.mil.mil.types")
        assert [types.builtin_to_string(one.outputs[0].dtype) for one in cut] == ["int8", "int8"]
        assert all(one.name.split("_")[0] == "slice" for one in cut)

    def test_a_slice_with_a_scale_of_its_own_is_rounded_again(self, tmp_path: Path) -> None:
        cut = of_kind(lowered(seeded(Sliced), tmp_path / "p.mlpackage", operators=TAKEN), "slice_by_index")
        assert [one.x.op.op_type for one in cut] == ["dequantize", "dequantize"]


class TestSaturatedRelu:
    def test_before_unsigned_codes_it_goes(self, tmp_path: Path) -> None:
        layers = seeded(lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1)))
        kept = lowered(layers, tmp_path / "kept.mlpackage", without="saturated_relu")
        assert len(of_kind(kept, "relu")) == 1
        assert not of_kind(lowered(layers, tmp_path / "p.mlpackage"), "relu")

    def test_before_signed_codes_it_stays(self, tmp_path: Path) -> None:
        program = export(seeded(lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1))), X)
        unsigned = plan(program, X)
        signed = tuple(replace(each, zero_point=0) for each in unsigned.activations)
        write(
            quantize_program(program, replace(unsigned, activations=signed)), tmp_path / "p.mlpackage", Precision.INT8
        )
        assert len(of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "relu")) == 1

    def test_what_floats_read_too_stays(self, tmp_path: Path) -> None:
        class Gate(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)

            def forward(self, x: Tensor) -> Tensor:
                x = self.first(x).relu()
                return self.last(x) * x.sigmoid()

        layers: set[object] = {torch.ops.aten.conv2d.default}
        found = lowered(seeded(Gate), tmp_path / "p.mlpackage", operators=layers)
        assert len(of_kind(found, "relu")) == 1


class TestRepeatedValues:
    @given(
        shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
        different=st.integers(1, 300),
        seed=st.integers(0, 2**16),
    )
    def test_nothing_is_lost(self, shape: list[int], different: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        constant = random.choice(random.standard_normal(different).astype(np.float16), shape)
        found = repeated_values(constant)
        if found is None:
            return
        indices, table, bits = found
        np.testing.assert_array_equal(lut_to_dense(indices=indices, lut=table), constant)
        assert table.shape == (*[1] * len(shape), 2**bits, 1)
        assert indices.max() < 2**bits
        assert indices.size * bits / 8 + table.nbytes < constant.nbytes

    def test_a_position_bias_is_worth_it_and_a_small_or_a_varied_constant_is_not(self) -> None:
        offsets = np.abs(np.arange(7)[:, None] - np.arange(7))  # of rows, or of columns
        bias = (offsets[:, None, :, None] * 7 + offsets[None, :, None, :]).reshape(1, 49, 49).astype(np.float16)
        found = repeated_values(bias)
        assert found is not None
        assert found[2] == 6
        assert repeated_values(bias[:, :8, :8]) is None
        assert repeated_values(np.arange(2401, dtype=np.float16).reshape(1, 49, 49)) is None

    @pytest.mark.parametrize(("precision", "tables"), [(Precision.INT8, 1), (Precision.FP16, 0)])
    @torch.no_grad()
    def test_compressed_programs_store_them_so(self, precision: Precision, tables: int, tmp_path: Path) -> None:
        bias = torch.arange(49.0).repeat(49).view(1, 1, 49, 49)
        image = torch.randn(1, 1, 49, 49, generator=torch.Generator().manual_seed(1))
        module = Lambda(lambda x, bias: x + bias, bias)
        program = export(module, image)
        write(program, tmp_path / "p.mlpackage", precision)
        found = of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "constexpr_lut_to_dense")
        assert len(found) == tables
        half = (image.half() + bias.half()).float().numpy()
        np.testing.assert_array_equal(Evaluator(tmp_path / "p.mlpackage")(image.numpy()), half)


class TestSmallTensors:
    @pytest.mark.parametrize(("channels", "stored"), [(INLINE, 1), (INLINE + 1, 2)])
    def test_they_are_in_the_program(self, channels: int, stored: int, tmp_path: Path) -> None:
        layer = seeded(lambda: nn.Conv2d(6, channels, 1))
        write(export(layer, X), tmp_path / "p.mlpackage")
        program = package.read(tmp_path / "p.mlpackage").specification.mlProgram
        assert len(list(package._file_values(program))) == stored

    def test_coremltools_is_as_before_afterwards(self) -> None:
        backend = toolchain.load("coremltools.converters.mil.backend.mil.load")
        usual = backend.should_use_weight_file
        with toolchain.small_tensors_inline(INLINE):
            assert not backend.should_use_weight_file(np.zeros(INLINE, np.float16))
            assert backend.should_use_weight_file(np.zeros(INLINE + 1, np.float16))
        assert backend.should_use_weight_file is usual


class TestNames:
    def test_numbers_in_base_36(self) -> None:
        from converters.coreml.passes.short_names import written

        assert [written(number) for number in (0, 9, 10, 35, 36, 36 * 36)] == ["0", "9", "a", "z", "10", "100"]

    def test_a_division_by_a_number_keeps_its_module(self, tmp_path: Path) -> None:
        halved = nn.Sequential(Lambda(lambda x: x / 0.5 + x))
        write(export(halved, X), tmp_path / "p.mlpackage")
        (product,) = of_kind(package.load_function(tmp_path / "p.mlpackage").operations, "mul")
        assert module_path(product.name) == "0"
        np.testing.assert_array_equal(
            Evaluator(tmp_path / "p.mlpackage")(X.numpy()), (X.half() * 2 + X.half()).float().numpy()
        )
        assert inspect(tmp_path / "p.mlpackage").operations["mul"] == 1
