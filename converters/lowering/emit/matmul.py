"""Products of activations, or of an activation with a constant matrix."""

from __future__ import annotations

from torch.fx import Node

from converters.lowering.emit.linear import fully_connected
from converters.lowering.emitter import BaseEmitter
from converters.lowering.products import plan_product
from converters.lowering.program import arguments, tensor_name, unsupported
from converters.lowering.values import Constant, T, Value


def matmul(emitter: BaseEmitter[T], node: Node) -> None:
    """aten.matmul, aten.bmm."""
    named = arguments(node)
    first, second = (named[name] for name in list(named)[:2])
    left, right = emitter.values[first], emitter.values[second]
    if isinstance(right, Constant) and len(right.shape) == 2 and isinstance(left, Value):
        weight = Constant(right.value.t())
        epilogue = emitter.epilogue(node, int8=False)
        return fully_connected(emitter, node, emitter.dequantized(left), weight, None, epilogue)
    if min(len(first.meta["val"].shape), len(second.meta["val"].shape)) < 2:
        raise unsupported(node, "of a vector", "give both factors two dimensions")
    return batch_matmul(emitter, node, emitter.activation(first), emitter.activation(second))


def batch_matmul(emitter: BaseEmitter[T], node: Node, a: Value[T], b: Value[T]) -> None:
    """Writes the product, int8 where both factors and the result are and y's zero point is 0, else float."""
    factors = plan_product(node, a, b, integer=emitter.integer_only)
    epilogue = emitter.epilogue(node, int8=factors.int8, clamp=False)
    left, right = (emitter.ordered(side.value, side.order) for side in (factors.x, factors.y))
    if epilogue.quantization is None:
        left, right = emitter.dequantized(left), emitter.dequantized(right)
    output = emitter.write_product(
        emitter.stored(left),
        emitter.stored(right),
        factors.layout.stored,
        transposed=factors.transposed,
        name=tensor_name(node),
        quantization=epilogue.quantization,
    )
    emitter.finish(node, epilogue, Value(output, factors.layout))
