"""Names that nobody looks up are short; those that say a module stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from converters.coreml import package
from converters.coreml.evaluator import Evaluator
from converters.coreml.inspect import inspect
from converters.coreml.names import module_path
from tests.converters.coreml.coreml_programs import Lambda, export, write
from tests.converters.coreml.int8_packages import X, of_kind
from tests.converters.coreml.mil_programs import after, emitted, emitted_int8, operations


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

    def test_each_kind_has_its_letter_and_the_rest_keeps_its_own_name(self) -> None:
        program = emitted_int8(nn.Sequential(nn.Conv2d(6, 4, 1), nn.ReLU()))
        named = {operation.op_type: operation.name for operation in operations(program)}
        after("short_names", program)
        letters = {
            operation.op_type.split("_")[0]: operation.outputs[0].name[0]
            for operation in operations(program)
            if operation.outputs[0].name != "logits"
        }
        assert letters == {
            **{"const": "c", "constexpr": "w", "quantize": "q", "dequantize": "d"},
            **{"cast": "v", "conv": "v", "relu": "v"},
        }
        for operation in operations(program):
            if operation.outputs[0].name[0] in "cwqd":
                assert operation.name == operation.outputs[0].name
            else:
                assert operation.name == named[operation.op_type] or operation.op_type == "cast"
        names = [operation.outputs[0].name for operation in operations(program)]
        assert len(set(names)) == len(names)
        assert names[-1] == "logits"

    def test_what_is_read_most_has_the_shortest_name(self) -> None:
        program = after("short_names", emitted(Lambda(lambda x: (x.sigmoid() + x.tanh()) * x.tanh() * x.tanh())))
        tanh = [one.outputs[0].name for one in operations(program) if one.op_type == "tanh"]
        cast, *_ = (one.outputs[0] for one in operations(program) if one.op_type == "cast")
        assert len(cast.child_ops) == 4
        assert cast.name == "v0"
        assert "v0" not in tanh
