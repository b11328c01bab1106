"""Emitter: runs an exported program's graph with MIL values, one ATen operator at a time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import Argument, Target
from torch.utils._pytree import tree_leaves, tree_map

from converters.coreml import toolchain
from converters.coreml.names import operation_name
from converters.coreml.operators import OPERATORS, WEIGHTS
from converters.coreml.translations.elementwise import float_
from converters.coreml.values import Translation, Var, is_float, is_float32
from converters.errors import ToolchainError
from converters.lowering.palettes import coded, is_worth_a_palette, palettized, repeated_values
from converters.lowering.program import module_path

CONSTANT_TYPES = (Tensor, bool, int, float, str, torch.dtype, torch.memory_format, torch.layout, torch.device)
INDEX_BITS = (1, 2, 3, 4, 6, 8)
"""Widths of an index that `constexpr_lut_to_dense` of iOS 18 knows."""
MIL_DTYPES: dict[type[np.floating[Any]], str] = {np.float16: "fp16", np.float32: "fp32"}


class Emitter(Interpreter):
    """Runs an exported graph with MIL values in place of activations; what depends on constants alone is computed.

    A translation of the table below is called with this emitter and the ATen operator's own arguments.
    """

    def __init__(
        self,
        module: GraphModule,
        builder: Any,
        dtype: type[np.floating[Any]],
        *,
        blockwise: bool,
        palette_bits: int | None = None,
        indexed: bool = False,
        islands: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.builder = builder
        self.dtype = dtype
        self.blockwise = blockwise
        self.palette_bits = palette_bits
        self.indexed = indexed
        self.islands = islands
        self.node = next(iter(module.graph.nodes))

    @property
    def module_path(self) -> str:
        """Dotted path of the module that the current node comes from."""
        return module_path(self.node)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the current node's result."""
        return tuple(self.node.meta["val"].shape)

    def run_node(self, n: Node) -> Any:
        self.node = n
        return super().run_node(n)

    def call_function(self, target: Target, args: tuple[Argument, ...], kwargs: dict[str, Any]) -> Any:
        constant = all(leaf is None or isinstance(leaf, CONSTANT_TYPES) for leaf in tree_leaves((args, kwargs)))
        if constant and target not in WEIGHTS:
            return super().call_function(target, args, kwargs)
        translation = OPERATORS.get(target) or WEIGHTS.get(target)
        if translation is None:
            raise ToolchainError(
                got=f"operator {target} in module {self.module_path or '(top)'}",
                allowed=", ".join(sorted({str(known) for known in OPERATORS})),
                do="rewrite the module with these, or add a translation to converters/coreml/operators.py",
            )
        if self.dtype is np.float32 or not (self._needs_float32 or any(map(is_float32, tree_leaves((args, kwargs))))):
            return translation(self, *args, **kwargs)
        return self._island(translation, args, kwargs)

    @property
    def _needs_float32(self) -> bool:
        return self.node.name in self.islands

    def _island(self, translation: Translation, args: tuple[Argument, ...], kwargs: dict[str, Any]) -> Any:
        """The current node in float32: for a result that float16 cannot hold, or from such ones."""
        count = itertools.count()

        def widened(value: Any) -> Any:
            if not is_float(value):
                return value
            return self.cast(value, operation_name(self.module_path, f"{self.node.name}_wide{next(count)}"), np.float32)

        def narrowed(value: Any) -> Any:
            if not is_float32(value):
                return value
            return self.cast(value, operation_name(self.module_path, f"{self.node.name}_narrow{next(count)}"))

        usual, self.dtype = self.dtype, np.float32
        try:
            result = translation(self, *tree_map(widened, args), **tree_map(widened, kwargs))
        finally:
            self.dtype = usual
        return result if self._needs_float32 else tree_map(narrowed, result)

    def op(self, kind: str, part: str = "", **arguments: Any) -> Var:
        """Appends a MIL operation named after the current node (and `part`, where a node needs several)."""
        name = operation_name(self.module_path, self.node.name + (f"_{part}" if part else ""))
        converted = {key: self.constant(value) for key, value in arguments.items() if value is not None}
        return getattr(self.builder, kind)(**converted, name=name)

    def weight(self, value: Any) -> Any:
        """A convolution's or linear layer's weight (O, ...) in the form that the file stores: as it is, or compressed."""
        if self.palette_bits is None or not isinstance(value, Tensor):
            return value
        if is_worth_a_palette(tuple(value.shape)):
            return self._indexed(*palettized(value, self.palette_bits), self.palette_bits)
        if not value.is_floating_point():
            return value
        codes, scales = coded(value)
        return self.op("constexpr_blockwise_shift_scale", "int8", data=codes, scale=scales)

    def operand(self, value: Any) -> Any:
        """An operand of elementwise arithmetic in the form that the file stores."""
        if not (self.indexed and isinstance(value, Tensor) and value.is_floating_point()):
            return float_(value)
        found = repeated_values(self._array(value), INDEX_BITS)
        return value if found is None else self._indexed(*found)

    def _indexed(self, indices: Any, tables: Any, bits: int) -> Var:
        types = toolchain.load("coremltools.converters.mil.mil.types")
        index_type = types.nptype_from_builtin(types.string_to_builtin(f"uint{bits}"))
        return self.op("constexpr_lut_to_dense", "palette", indices=indices.astype(index_type), lut=tables)

    def cast(self, x: Var, name: str, dtype: type[np.floating[Any]] | None = None) -> Var:
        """`x` in `dtype`, by default the program's."""
        wanted = MIL_DTYPES[dtype or self.dtype]
        return self.builder.cast(x=x, dtype=wanted, name=name)

    def constant(self, value: Any) -> Any:
        """`value` as MIL takes it: floats in the program's precision, integers as int32, MIL values as they are."""
        if isinstance(value, Tensor):
            return self._array(value)
        if isinstance(value, float):
            return self._array(torch.tensor(value))[()]
        return value

    def _array(self, tensor: Tensor) -> Any:
        if tensor.dtype == torch.int8:
            return tensor.numpy()
        if not tensor.is_floating_point():
            return tensor.numpy().astype(np.int32)
        with np.errstate(over="ignore"):
            array = tensor.numpy().astype(self.dtype)
        if np.isinf(array).sum() > tensor.isinf().sum():
            raise ToolchainError(
                got=f"a constant of magnitude {tensor.abs().max():g} in module {self.module_path or '(top)'}",
                allowed=f"at most {np.finfo(self.dtype).max:g} in {np.dtype(self.dtype).name}",
                do="convert with --fp32, or scale the module's weights",
            )
        return array
