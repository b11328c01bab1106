"""Which translation each ATen operator has."""

from __future__ import annotations

import operator
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # registers the quantized_decomposed operators

from converters.coreml.translations import elementwise, movement, products, quantization, reduction
from converters.coreml.values import Translation

aten = torch.ops.aten

OPERATORS: dict[Any, Translation] = {
    aten.conv2d.default: products.conv2d,
    aten.linear.default: products.linear,
    aten.matmul.default: products.matmul,
    aten.bmm.default: products.matmul,
    aten.relu.default: elementwise.unary("relu"),
    aten.relu6.default: elementwise.unary("relu6"),
    aten.sigmoid.default: elementwise.unary("sigmoid"),
    aten.silu.default: elementwise.unary("silu"),
    aten.hardtanh.default: elementwise.hardtanh,
    aten.clamp.default: elementwise.clamp,
    aten.clamp_min.default: elementwise.clamp,
    aten.hardsigmoid.default: elementwise.hardsigmoid,
    aten.hardswish.default: elementwise.hardswish,
    aten.gelu.default: elementwise.gelu,
    aten.softmax.int: reduction.softmax,
    aten.layer_norm.default: reduction.layer_norm,
    aten.add.Tensor: elementwise.scaled_sum("add"),
    aten.sub.Tensor: elementwise.scaled_sum("sub"),
    aten.mul.Tensor: elementwise.binary("mul"),
    aten.div.Tensor: elementwise.div,
    aten.maximum.default: elementwise.binary("maximum"),
    aten.minimum.default: elementwise.binary("minimum"),
    aten.pow.Tensor_Scalar: elementwise.pow_,
    aten.rsqrt.default: elementwise.rsqrt,
    aten.sqrt.default: elementwise.unary("sqrt"),
    aten.exp.default: elementwise.unary("exp"),
    aten.log.default: elementwise.log,
    aten.tanh.default: elementwise.unary("tanh"),
    aten.mean.dim: reduction.reduce("reduce_mean"),
    aten.sum.dim_IntList: reduction.reduce("reduce_sum"),
    aten.slice.Tensor: movement.slice_,
    aten.select.int: movement.select,
    aten.split.Tensor: movement.split,
    aten.split_with_sizes.default: movement.split,
    aten.chunk.default: movement.chunk,
    operator.getitem: movement.getitem,
    aten.cat.default: movement.cat,
    aten.pad.default: movement.pad_,
    aten.constant_pad_nd.default: movement.constant_pad,
    aten.view.default: movement.reshape,
    aten.reshape.default: movement.reshape,
    aten.flatten.using_ints: movement.reshape,
    aten.unflatten.int: movement.reshape,
    aten.unsqueeze.default: movement.reshape,
    aten.squeeze.dim: movement.reshape,
    aten.squeeze.dims: movement.reshape,
    aten.permute.default: movement.permute,
    aten.transpose.int: movement.transpose,
    aten.clone.default: movement.identity,
    aten.contiguous.default: movement.identity,
    aten.alias.default: movement.identity,
    aten.dropout.default: movement.identity,
    torch.ops.quantized_decomposed.quantize_per_tensor.default: quantization.quantize,
    torch.ops.quantized_decomposed.dequantize_per_tensor.default: quantization.dequantize,
}

WEIGHTS: dict[Any, Translation] = {
    torch.ops.quantized_decomposed.dequantize_per_channel.default: quantization.compressed_weight,
}
"""Operators on constants alone that are kept, not computed."""
