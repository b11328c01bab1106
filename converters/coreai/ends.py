"""A program's two ends as an app's own libraries want them: 8-bit pixels in, probabilities out. Both are computed in fp32."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from converters.coreai.quantization import constant
from converters.interface import Interface, Normalization

aten = torch.ops.aten


def with_ends(module: GraphModule, program: ExportedProgram, interface: Interface) -> tuple[torch.Tensor, list[str]]:
    """Gives `module`, made from `program`, the ends that `interface` asks for. Returns its example input, and names of the nodes whose
    results need fp32.
    """
    (example,), _ = program.example_inputs
    wide: list[Node] = []
    if interface.pixels is not None:
        wide += take_pixels(module, interface.pixels)
        example = torch.zeros(example.permute(0, 2, 3, 1).shape, dtype=torch.uint8)
    if interface.classes:
        wide.append(give_probabilities(module))
    return example, [node.name for node in wide]


def take_pixels(module: GraphModule, normalization: Normalization) -> list[Node]:
    """Makes the input (1, 3, H, W) one of 8-bit RGB pixels (1, H, W, 3), which are normalised here."""
    (image,) = module.graph.find_nodes(op="placeholder")
    readers = list(image.users)
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (normalization.mean, normalization.std))
    pixels = image.meta["val"].permute(0, 2, 3, 1).to(torch.uint8)
    image.meta["val"] = pixels.new_empty(pixels.shape)
    with module.graph.inserting_after(image):
        factor = constant(module, "pixel_factor", (1 / (255 * std)).float().view(1, 1, 1, 3))
        offset = constant(module, "pixel_offset", (-mean / std).float().view(1, 1, 1, 3))
    with module.graph.inserting_before(readers[0]):
        real = called(module, aten._to_copy.default, image, dtype=torch.float32)
        scaled = called(module, aten.mul.Tensor, real, factor)
        shifted = called(module, aten.add.Tensor, scaled, offset)
        planes = called(module, aten.permute.default, shifted, [0, 3, 1, 2])
        planes = called(
            module, aten.clone.default, planes, memory_format=torch.contiguous_format
        )  # else there are strides
    for reader in readers:
        reader.replace_input_with(image, planes)
    return [real, scaled, shifted]


def give_probabilities(module: GraphModule) -> Node:
    """Makes the output the softmax over its classes."""
    (output,) = module.graph.find_nodes(op="output")
    (scores,) = output.all_input_nodes
    with module.graph.inserting_before(output):
        probabilities = called(module, aten.softmax.int, scores, 1)
    output.replace_input_with(scores, probabilities)
    return probabilities


def called(module: GraphModule, target: Any, *arguments: Any, **named: Any) -> Node:
    """A node that calls `target`, with what its result is like."""
    node = module.graph.call_function(target, arguments, named)
    (image,) = module.graph.find_nodes(op="placeholder")
    mode = image.meta["val"].fake_mode

    def like(operand: Node) -> Any:
        if operand.op != "get_attr":
            return operand.meta["val"]
        return mode.from_tensor(attrgetter(str(operand.target))(module), static_shapes=True)

    with mode, torch.no_grad():
        node.meta["val"] = target(*map_arg(arguments, like), **named)
    return node
