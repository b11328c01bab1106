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
