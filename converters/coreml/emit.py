"""Writes an exported program as a MIL program (Core ML's ML Program), one ATen operator at a time.

The graph is emitted in the precision that it will run in: constants are rounded here, once, and the only casts are
those at the float32 interface. Every MIL operation is named after the module it comes from (see `names`).

coremltools' own PyTorch frontend is not used: it has no translation for the `alias` and per-channel quantization
operators of torch 2.13, and it names operations by number.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers the quantized_decomposed operators
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.node import Argument, Target
from torch.utils._pytree import tree_leaves, tree_map

from converters.contract import NEEDS_FLOAT32
from converters.coreml import toolchain
from converters.coreml.names import INPUT, OUTPUT, PROBABILITIES, operation_name
from converters.coreml.options import TENSORS, Options
from converters.coreml.palettes import is_worth_a_palette, palettize, repeated_values
from converters.errors import ToolchainError
from converters.interface import Normalization
from converters.lowering.program import module_path
from converters.quantized_program import WEIGHT_MAX

IOS18 = 18
"""The first release with `constexpr_blockwise_shift_scale`."""

Var = Any
"""A value of the MIL program (coremltools.converters.mil.mil.Var); coremltools is untyped."""


def emit(
    program: ExportedProgram,
    dtype: type[np.floating[Any]],
    release: int,
    options: Options = TENSORS,
    palette_bits: int | None = None,
    *,
    compressed: bool = False,
) -> Any:
    """`program` as a MIL program for iOS `release` that computes in `dtype`, with input `image` and float32 output `logits`.

    With `options.pixels` the input is an RGB image, normalised in float32 as the tensor would have been before it came
    here; with `options.classes` there is a second output, `probabilities`. With `palette_bits` larger weights, float or
    int8, become indices of that many bits into palettes. Of a `compressed` program, for iOS 18 on, constants that repeat a few
    values, position biases, become indices too, and lose nothing.
    Raises ToolchainError for an operator without a translation and for a constant that `dtype` cannot hold.
    """
    ct, mil = toolchain.load(), toolchain.load("coremltools.converters.mil.mil")
    inputs, constants = _bindings(program)
    shape = tuple(inputs[0].meta["val"].shape)
    placeholder = mil.Builder.placeholder(shape=shape, dtype=mil.types.fp32, name=INPUT)
    emitted = mil.Program()
    with mil.Function({INPUT: placeholder}, opset_version=ct.target[f"iOS{release}"]) as function:
        emitter = Emitter(
            program.graph_module,
            mil.Builder,
            dtype,
            blockwise=release >= IOS18,
            palette_bits=palette_bits,
            indexed=compressed and release >= IOS18,
        )
        given = function.inputs[INPUT]
        if options.pixels is not None:
            function.input_types = [
                ct.ImageType(name=INPUT, shape=shape, color_layout=ct.colorlayout.RGB, channel_first=True)
            ]
            given = _normalized(given, options.pixels, mil.Builder)
        image = emitter.cast(given, "image_cast")
        (result,) = emitter.run(*(constants.get(node.name, image) for node in _placeholders(program)))
        logits = emitter.cast(result, OUTPUT, np.float32)
        logits.name = OUTPUT
        outputs = [logits]
        if options.classes:
            outputs.append(mil.Builder.softmax(x=logits, axis=-1, name=PROBABILITIES))
        function.set_outputs(outputs)
        emitted.add_function("main", function)
    return emitted


def _normalized(pixels: Var, normalization: Normalization, builder: Any) -> Var:
    """(v / 255 - mean) / std per channel of `pixels` (1, 3, H, W), as one product and one sum."""
    mean, std = (np.array(values)[:, None, None] for values in (normalization.mean, normalization.std))
    scaled = builder.mul(x=pixels, y=(1 / (255 * std)).astype(np.float32), name="image_scaled")
    return builder.add(x=scaled, y=(-mean / std).astype(np.float32), name="image_normalized")


def _placeholders(program: ExportedProgram) -> list[Node]:
    return [node for node in program.graph.nodes if node.op == "placeholder"]


def _bindings(program: ExportedProgram) -> tuple[list[Node], dict[str, Tensor]]:
    """The user's input node, and the value of every other placeholder. Raises ToolchainError for several inputs."""
    signature = program.graph_signature
    values = {**program.state_dict, **program.constants}
    constants = {
        spec.arg.name: values[spec.target].detach()
        for spec in signature.input_specs
        if spec.kind is not InputKind.USER_INPUT and spec.target is not None
    }
    inputs = [node for node in _placeholders(program) if node.name in signature.user_inputs]
    if len(inputs) != 1 or len(signature.user_outputs) != 1:
        raise ToolchainError(
            got=f"a program with {len(inputs)} inputs and {len(signature.user_outputs)} outputs",
            allowed="one image in, one tensor out",
            do="export the classifier alone",
        )
    return inputs, constants


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
    ) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.builder = builder
        self.dtype = dtype
        self.blockwise = blockwise
        self.palette_bits = palette_bits
        self.indexed = indexed
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
                do="rewrite the module with these, or add a translation to converters/coreml/emit.py",
            )
        if self.dtype is np.float32 or not (self._needs_float32 or any(map(is_float32, tree_leaves((args, kwargs))))):
            return translation(self, *args, **kwargs)
        return self._island(translation, args, kwargs)

    @property
    def _needs_float32(self) -> bool:
        return NEEDS_FLOAT32 in self.node.meta

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
            return self._palette(value, self.palette_bits)
        if not value.is_floating_point():
            return value
        scales = (value.flatten(1).abs().amax(1) / WEIGHT_MAX).clamp_min(torch.finfo(torch.float16).tiny)
        scales = scales.view(-1, *[1] * (value.ndim - 1))
        return self.op("constexpr_blockwise_shift_scale", "int8", data=(value / scales).round().char(), scale=scales)

    def _palette(self, value: Tensor, bits: int) -> Var:
        """Float weights or int8 codes as indices into tables of their own type."""
        indices, tables = palettize(value.numpy(), bits)
        entries = torch.from_numpy(tables if value.is_floating_point() else tables.round()).to(value.dtype)
        return self._indexed(indices, entries, bits)

    def operand(self, value: Any) -> Any:
        """An operand of elementwise arithmetic in the form that the file stores."""
        if not (self.indexed and isinstance(value, Tensor) and value.is_floating_point()):
            return _float(value)
        found = repeated_values(self._array(value))
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


def is_float(value: Any) -> bool:
    """Whether `value` is a float value of the MIL program."""
    return (is_variable(value) and value.is_tensor_or_scalar_of(dtype="fp16")) or is_float32(value)


def is_float32(value: Any) -> bool:
    """Whether `value` is a float32 value of the MIL program."""
    return is_variable(value) and bool(value.is_tensor_or_scalar_of(dtype="fp32"))


def is_variable(value: Any) -> bool:
    return isinstance(value, toolchain.load("coremltools.converters.mil.mil").Var)


CONSTANT_TYPES = (Tensor, bool, int, float, str, torch.dtype, torch.memory_format, torch.layout, torch.device)
MIL_DTYPES: dict[type[np.floating[Any]], str] = {np.float16: "fp16", np.float32: "fp32"}


def _conv2d(
    e: Emitter,
    x: Var,
    weight: Var,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Var:
    rows, columns = padding if len(padding) == 2 else (*padding, *padding)
    return e.op(
        "conv",
        x=x,
        weight=e.weight(weight),
        bias=bias,
        strides=list(stride),
        pad_type="custom",
        pad=[rows, rows, columns, columns],
        dilations=list(dilation),
        groups=groups,
    )


def _linear(e: Emitter, x: Var, weight: Var, bias: Tensor | None = None) -> Var:
    return e.op("linear", x=x, weight=e.weight(weight), bias=bias)


def _matmul(e: Emitter, x: Var, y: Var) -> Var:
    return e.op("matmul", x=x, y=y)


def _unary(kind: str) -> Translation:
    return lambda e, x: e.op(kind, x=x)


def _binary(kind: str) -> Translation:
    return lambda e, x, y: e.op(kind, x=e.operand(x), y=e.operand(y))


def _div(e: Emitter, x: Var, y: Var) -> Var:
    """x / y; with a number for y, one product."""
    return e.op("real_div", x=_float(x), y=y) if is_variable(y) else e.op("mul", x=x, y=1 / y)


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


def _scaled_sum(kind: str) -> Translation:
    """x + alpha * y, or with a minus."""

    def translate(e: Emitter, x: Var, y: Var, *, alpha: float = 1) -> Var:
        scaled = e.operand(y) if alpha == 1 else e.op("mul", "scaled", x=_float(y), y=float(alpha))
        return e.op(kind, x=e.operand(x), y=scaled)

    return translate


def _clamp(e: Emitter, x: Var, low: float | None = None, high: float | None = None) -> Var:
    if (low, high) == (0, None):
        return e.op("relu", x=x)
    if (low, high) == (0, 6):
        return e.op("relu6", x=x)
    if high is None:
        return e.op("maximum", x=x, y=_float(low))
    if low is None:
        return e.op("minimum", x=x, y=_float(high))
    return e.op("clip", x=x, alpha=float(low), beta=float(high))


def _hardtanh(e: Emitter, x: Var, low: float = -1, high: float = 1) -> Var:
    return _clamp(e, x, low, high)


def _hardsigmoid(e: Emitter, x: Var, part: str = "") -> Var:
    return e.op("sigmoid_hard", part, x=x, alpha=1 / 6, beta=0.5)


def _hardswish(e: Emitter, x: Var) -> Var:
    return e.op("mul", x=x, y=_hardsigmoid(e, x, "gate"))


def _gelu(e: Emitter, x: Var, approximate: str = "none") -> Var:
    return e.op("gelu", x=x, mode={"none": "EXACT", "tanh": "TANH_APPROXIMATION"}[approximate])


def _softmax(e: Emitter, x: Var, dim: int) -> Var:
    return e.op("softmax", x=x, axis=dim)


def _layer_norm(
    e: Emitter,
    x: Var,
    normalized: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    _cudnn: bool = False,
) -> Var:
    axes = list(range(-len(normalized), 0))
    return e.op("layer_norm", x=x, axes=axes, gamma=weight, beta=bias, epsilon=eps)


def _reduce(kind: str) -> Translation:
    def translate(e: Emitter, x: Var, dim: Sequence[int], keepdim: bool = False) -> Var:
        return e.op(kind, x=x, axes=list(dim), keep_dims=keepdim)

    return translate


def _pow(e: Emitter, x: Var, exponent: float) -> Var:
    return e.op("square", x=x) if exponent == 2 else e.op("pow", x=x, y=float(exponent))


def _rsqrt(e: Emitter, x: Var) -> Var:
    return e.op("rsqrt", x=x, epsilon=0.0)


def _log(e: Emitter, x: Var) -> Var:
    return e.op("log", x=x, epsilon=0.0)


def _slice(e: Emitter, x: Var, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Var:
    first, last, _ = slice(start, end, step).indices(x.shape[dim])
    return _slice_range(e, x, dim, first, last, step=step)


def _slice_range(e: Emitter, x: Var, dim: int, first: int, last: int, *, step: int = 1, part: str = "") -> Var:
    axis = dim % x.rank
    begin, end, stride = [0] * x.rank, list(x.shape), [1] * x.rank
    begin[axis], end[axis], stride[axis] = first, last, step
    return e.op("slice_by_index", part, x=x, begin=begin, end=end, stride=stride)


def _select(e: Emitter, x: Var, dim: int, index: int) -> Var:
    axis, position = dim % x.rank, index % x.shape[dim]
    taken = _slice_range(e, x, axis, position, position + 1, part="slice")
    return e.op("squeeze", x=taken, axes=[axis])


def _split(e: Emitter, x: Var, sizes: int | Sequence[int], dim: int = 0) -> list[Var]:
    total = x.shape[dim]
    lengths = [min(sizes, total - at) for at in range(0, total, sizes)] if isinstance(sizes, int) else list(sizes)
    ends = np.cumsum(lengths).tolist()
    return [
        _slice_range(e, x, dim, last - length, last, part=str(index))
        for index, (length, last) in enumerate(zip(lengths, ends, strict=True))
    ]


def _chunk(e: Emitter, x: Var, chunks: int, dim: int = 0) -> list[Var]:
    return _split(e, x, math.ceil(x.shape[dim] / chunks), dim)


def _cat(e: Emitter, tensors: Sequence[Var], dim: int = 0) -> Var:
    return e.op("concat", values=[e.constant(tensor) for tensor in tensors], axis=dim)


def _pad(e: Emitter, x: Var, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Var:
    """ATen lists (before, after) from the last dimension backwards, MIL from the first padded one forwards."""
    pairs = [list(pad[at : at + 2]) for at in range(0, len(pad), 2)]
    amounts = [amount for pair in reversed(pairs) for amount in pair]
    return e.op("pad", x=x, pad=amounts, mode=mode, constant_val=float(value or 0))


def _constant_pad(e: Emitter, x: Var, pad: Sequence[int], value: float = 0) -> Var:
    return _pad(e, x, pad, "constant", value)


def _reshape(e: Emitter, x: Var, *_: Any, **__: Any) -> Var:
    return x if tuple(x.shape) == e.shape else e.op("reshape", x=x, shape=list(e.shape))


def _permute(e: Emitter, x: Var, dims: Sequence[int]) -> Var:
    return e.op("transpose", x=x, perm=[dim % x.rank for dim in dims])


def _transpose(e: Emitter, x: Var, first: int, second: int) -> Var:
    order = list(range(x.rank))
    order[first], order[second] = order[second], order[first]
    return e.op("transpose", x=x, perm=order)


def _identity(_emitter: Emitter, x: Var, *_: Any, **__: Any) -> Var:
    return x


def _getitem(_emitter: Emitter, values: list[Var], index: int) -> Var:
    return values[index]


def _quantize(e: Emitter, x: Var, scale: float, zero_point: int, low: int, high: int, dtype: torch.dtype) -> Var:
    _check_code_range(e, low, high, dtype)
    return e.op("quantize", input=x, scale=_scale(e, scale), zero_point=_zero_point(zero_point), output_dtype="int8")


def _dequantize(e: Emitter, x: Var, scale: float, zero_point: int, low: int, high: int, dtype: torch.dtype) -> Var:
    _check_code_range(e, low, high, dtype)
    return e.op("dequantize", input=x, scale=_scale(e, scale), zero_point=_zero_point(zero_point))


def _zero_point(value: int) -> np.int8 | None:
    """MIL leaves a zero point of 0 out."""
    return np.int8(value) if value else None


def _check_code_range(e: Emitter, low: int, high: int, dtype: torch.dtype) -> None:
    """MIL clamps to the whole range of its integer type. Raises ToolchainError where the program wants another."""
    if (low, high, dtype) != (-128, 127, torch.int8):
        raise ToolchainError(
            got=f"activation codes {low}..{high} as {dtype} in module {e.module_path or '(top)'}",
            allowed="-128..127 as torch.int8",
            do="quantize with `quantize_program`",
        )


def _scale(e: Emitter, scale: float) -> Any:
    """`scale` in the program's precision. Raises ToolchainError where that makes it zero."""
    rounded = e.constant(scale)
    if not rounded > 0:
        raise ToolchainError(
            got=f"quantization scale {scale:g} in module {e.module_path or '(top)'}",
            allowed=f"at least {np.finfo(e.dtype).smallest_subnormal:g}, the least that {np.dtype(e.dtype).name} holds",
            do="keep the tensor float in the quantization plan",
        )
    return rounded


def _compressed_weight(e: Emitter, codes: Tensor, scales: Tensor, zero_points: Tensor, axis: int, *_: Any) -> Var:
    """A weight that stays int8 in the file: (C_out, ...) codes with one scale per slice along `axis`."""
    e.node = next(iter(e.node.users))  # parameters have no module path of their own
    part, offset = "weight", zero_points.to(torch.int8)
    if not e.blockwise:
        return e.op(
            "constexpr_affine_dequantize", part, quantized_data=codes, zero_point=offset, scale=scales, axis=axis
        )
    shape = [1] * codes.ndim
    shape[axis] = -1
    shift = offset.view(shape) if offset.any() else None
    data = e.weight(codes)
    return e.op("constexpr_blockwise_shift_scale", part, data=data, scale=scales.view(shape), offset=shift)


Translation = Callable[..., Any]
aten = torch.ops.aten

OPERATORS: dict[Any, Translation] = {
    aten.conv2d.default: _conv2d,
    aten.linear.default: _linear,
    aten.matmul.default: _matmul,
    aten.bmm.default: _matmul,
    aten.relu.default: _unary("relu"),
    aten.relu6.default: _unary("relu6"),
    aten.sigmoid.default: _unary("sigmoid"),
    aten.silu.default: _unary("silu"),
    aten.hardtanh.default: _hardtanh,
    aten.clamp.default: _clamp,
    aten.clamp_min.default: _clamp,
    aten.hardsigmoid.default: _hardsigmoid,
    aten.hardswish.default: _hardswish,
    aten.gelu.default: _gelu,
    aten.softmax.int: _softmax,
    aten.layer_norm.default: _layer_norm,
    aten.add.Tensor: _scaled_sum("add"),
    aten.sub.Tensor: _scaled_sum("sub"),
    aten.mul.Tensor: _binary("mul"),
    aten.div.Tensor: _div,
    aten.maximum.default: _binary("maximum"),
    aten.minimum.default: _binary("minimum"),
    aten.pow.Tensor_Scalar: _pow,
    aten.rsqrt.default: _rsqrt,
    aten.sqrt.default: _unary("sqrt"),
    aten.exp.default: _unary("exp"),
    aten.log.default: _log,
    aten.tanh.default: _unary("tanh"),
    aten.mean.dim: _reduce("reduce_mean"),
    aten.sum.dim_IntList: _reduce("reduce_sum"),
    aten.slice.Tensor: _slice,
    aten.select.int: _select,
    aten.split.Tensor: _split,
    aten.split_with_sizes.default: _split,
    aten.chunk.default: _chunk,
    operator.getitem: _getitem,
    aten.cat.default: _cat,
    aten.pad.default: _pad,
    aten.constant_pad_nd.default: _constant_pad,
    aten.view.default: _reshape,
    aten.reshape.default: _reshape,
    aten.flatten.using_ints: _reshape,
    aten.unflatten.int: _reshape,
    aten.unsqueeze.default: _reshape,
    aten.squeeze.dim: _reshape,
    aten.squeeze.dims: _reshape,
    aten.permute.default: _permute,
    aten.transpose.int: _transpose,
    aten.clone.default: _identity,
    aten.contiguous.default: _identity,
    aten.alias.default: _identity,
    aten.dropout.default: _identity,
    torch.ops.quantized_decomposed.quantize_per_tensor.default: _quantize,
    torch.ops.quantized_decomposed.dequantize_per_tensor.default: _dequantize,
}

WEIGHTS: dict[Any, Translation] = {
    torch.ops.quantized_decomposed.dequantize_per_channel.default: _compressed_weight,
}
"""Operators on constants alone that are kept, not computed."""
