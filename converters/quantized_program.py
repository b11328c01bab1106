"""Puts a QuantPlan into an exported program as quantize/dequantize pairs: the int8 form that every target lowers.

The form is the one PyTorch 2 export quantization uses (`convert_pt2e`, pytorch/ao torchao/quantization/pt2e): activations pass through
`quantize_per_tensor` and `dequantize_per_tensor`; weights are stored as int8 and pass through `dequantize_per_channel`.
An operation is int8 when all of its inputs come from a dequantize and its output goes into a quantize.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from converters.contract import ActivationQuantization, BiasCorrection, Numbers, QuantPlan, WeightQuantization
from converters.lifting import exported_again
from converters.lowering.program import STORED

WEIGHT, BIAS = 1, 2
"""Positions of both among the arguments of a convolution or a linear layer."""


def graph_module(program: ExportedProgram) -> GraphModule:
    """`program` as a runnable graph module of its own. Its node names are the tensor names that a QuantPlan uses."""
    module = program.module(check_guards=False)
    assert isinstance(module, GraphModule)
    return module


def shared_module(program: ExportedProgram) -> GraphModule:
    """`graph_module(program)` for those who change nothing in it: the same for all of them, since m0's takes a sixth of a second."""
    if program not in _SHARED:
        _SHARED[program] = graph_module(program)
    return _SHARED[program]


_SHARED: WeakKeyDictionary[ExportedProgram, GraphModule] = WeakKeyDictionary()


def drop_parameters(module: GraphModule) -> None:
    """Takes the parameters from a module that is not needed any more. It refers to itself: those of its own would stay until the garbage
    collector comes, which counts objects and not their bytes.
    """
    for name, _ in list(module.named_parameters()):
        path, _, leaf = name.rpartition(".")
        delattr(module.get_submodule(path), leaf)


def quantize_program(program: ExportedProgram, plan: QuantPlan) -> ExportedProgram:
    """`program` with the plan's pairs inserted. `program` itself is left as it was.

    Raises KeyError for a tensor that the program does not have.
    """
    import torch.ao.quantization.fx._decomposed  # noqa: F401  # registers the quantized_decomposed operators

    module = graph_module(program)
    nodes = {node.name: node for node in module.graph.nodes}
    for activation in plan.activations:
        _quantize_activation(module, nodes[activation.tensor], activation)
    parameters = {node.target: node for node in module.graph.nodes if node.op == "get_attr"}
    for weight in plan.weights:
        _quantize_weight(module, parameters[weight.tensor], weight)
    for correction in plan.biases:
        correct_bias(module, correction)
    module.graph.lint()
    module.recompile()
    return exported_again(module, program)


def _quantize_activation(module: GraphModule, node: Node, quantization: ActivationQuantization) -> None:
    operators = torch.ops.quantized_decomposed
    numbers = quantization.numbers
    arguments = (quantization.scale, quantization.zero_point, numbers.least, numbers.most, stored_type(numbers))
    users = list(node.users)
    with module.graph.inserting_after(node):
        quantized = module.graph.call_function(operators.quantize_per_tensor.default, (node, *arguments))
    with module.graph.inserting_after(quantized):
        restored = module.graph.call_function(operators.dequantize_per_tensor.default, (quantized, *arguments))
    for new in (quantized, restored):
        new.meta = {"nn_module_stack": node.meta.get("nn_module_stack", {})}
    for user in users:
        user.replace_input_with(node, restored)


def _quantize_weight(module: GraphModule, node: Node, quantization: WeightQuantization) -> None:
    weight, numbers = module.get_parameter(quantization.tensor).detach(), quantization.numbers
    scales = torch.tensor(quantization.scales, dtype=torch.float32)
    base = quantization.tensor.replace(".", "_")
    module.register_buffer(f"{base}_int8", quantize_weight(weight, scales, quantization.numbers))
    module.register_buffer(f"{base}_scales", scales)
    module.register_buffer(f"{base}_zero_points", torch.zeros(len(scales), dtype=torch.int64))
    with module.graph.inserting_before(node):
        parts = [module.graph.get_attr(f"{base}_{part}") for part in ("int8", "scales", "zero_points")]
        restored = module.graph.call_function(
            torch.ops.quantized_decomposed.dequantize_per_channel.default,
            (*parts, quantization.axis, numbers.least, numbers.most, stored_type(numbers)),
        )
    restored.meta = {"nn_module_stack": node.meta.get("nn_module_stack", {})}
    node.replace_all_uses_with(restored)
    module.graph.erase_node(node)


def correct_bias(module: GraphModule, correction: BiasCorrection) -> None:
    """Takes the mean error off a bias of `module`."""
    bias = module.get_parameter(correction.tensor).detach() + torch.tensor(correction.values)
    set_parameter(module, correction.tensor, bias)


def parameter_of(layer: Node, position: int) -> str | None:
    """Name of the parameter that a layer has at `position` of its arguments; None where there is none, or something computed."""
    source = layer.args[position] if len(layer.args) > position else None
    return str(source.target) if isinstance(source, Node) and source.op == "get_attr" else None


def set_parameter(module: GraphModule, name: str, value: Tensor) -> None:
    """Gives `module` a parameter of its own under `name`; the tensor it had belongs to the program."""
    path, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(path), leaf, nn.Parameter(value, requires_grad=False))


def quantize_weight(weight: Tensor, scales: Tensor, numbers: Numbers) -> Tensor:
    """Codes of `weight`, one scale per slice along the axis of `numbers`, rounded to nearest even."""
    assert numbers.axis is not None
    shape = [1] * weight.ndim
    shape[numbers.axis] = -1
    codes = torch.round(weight / scales.view(shape))
    return codes.clamp(numbers.least, numbers.most).to(stored_type(numbers))


def stored_type(numbers: Numbers) -> torch.dtype:
    """The smallest type that holds the codes."""
    return next(dtype for bits, dtype in STORED.items() if numbers.bits <= bits)
